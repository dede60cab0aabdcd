import type { DescMethod, Message } from "@bufbuild/protobuf";
import { AccessDeniedError } from "../errors.js";
import type { Principal } from "../token/principal.js";
import type { AccessPolicy, MethodAccess } from "./access-policy.js";
import { compileOrgField } from "./org-field.js";

/** A rule made ready to be applied to calls. */
export interface MethodRule extends MethodAccess {
  /** Whether anyone may call, without being looked at. */
  readonly isPublic: boolean;
  /**
   * Applies what needs no message.
   *
   * @throws AccessDeniedError naming the first demand that the caller does not meet.
   */
  checkCaller(principal: Principal): void;
  /**
   * Applies what needs a message; to be called for each message of the request. Absent when the rule has no such part.
   *
   * @throws AccessDeniedError when the message is not the caller's to send.
   */
  readonly checkMessage?: (principal: Principal, message: Message) => void;
}

/**
 * Makes a rule ready.
 *
 * @throws TypeError naming the method when `orgField` leads nowhere or a `condition` is set.
 */
export function createMethodRule(access: MethodAccess, method: DescMethod): MethodRule {
  const { policy } = access;
  if (policy.condition !== undefined) {
    throw new TypeError(`${access.method}: this release does not support conditions`);
  }
  const checkMessage = createMessageCheck(access, method);
  return {
    ...access,
    isPublic: policy.public === true,
    checkCaller: createCallerCheck(policy),
    ...(checkMessage !== undefined && { checkMessage }),
  };
}

function createCallerCheck(policy: AccessPolicy): (principal: Principal) => void {
  const { anyRole, allRoles, scopes, orgs, allow } = policy;
  const needsOrg = policy.orgField !== undefined || orgs !== undefined;
  return (principal) => {
    if (anyRole !== undefined && !anyRole.some((role) => principal.roles.has(role))) {
      throw new AccessDeniedError("ERR_ROLE_MISSING", "The caller has none of the roles that the method asks for");
    }
    if (allRoles !== undefined && !allRoles.every((role) => principal.roles.has(role))) {
      throw new AccessDeniedError("ERR_ROLE_MISSING", "The caller lacks a role that the method asks for");
    }
    if (scopes !== undefined && !scopes.every((scope) => principal.scopes.has(scope))) {
      throw new AccessDeniedError("ERR_SCOPE_MISSING", "The token lacks a scope that the method asks for");
    }
    if (needsOrg && !hasOrg(principal)) {
      throw new AccessDeniedError("ERR_ORG_MISSING", "The caller belongs to no organisation");
    }
    if (orgs !== undefined && !orgs.includes(principal.org ?? "")) {
      throw new AccessDeniedError("ERR_ORG_MISMATCH", "The caller's organisation may not call the method");
    }
    if (allow !== undefined) assertAllowed(allow(principal));
  };
}

function createMessageCheck(access: MethodAccess, method: DescMethod): MethodRule["checkMessage"] {
  const { orgField, allow } = access.policy;
  const readOrg = orgField === undefined ? undefined : compileOrgField(access.method, method, orgField);
  if (readOrg === undefined && allow === undefined) return undefined;
  return (principal, message) => {
    // Two absent organisations are not the same organisation.
    if (readOrg !== undefined && !(hasOrg(principal) && readOrg(message) === principal.org)) {
      throw new AccessDeniedError("ERR_ORG_MISMATCH", "The request names another organisation than the caller's");
    }
    if (allow !== undefined) assertAllowed(allow(principal, message));
  };
}

function hasOrg(principal: Principal): boolean {
  return principal.org !== undefined && principal.org !== "";
}

function assertAllowed(answer: unknown): void {
  // Only true itself: a promise, which an async function gives whatever it decides, is truthy.
  if (answer !== true) throw new AccessDeniedError("ERR_CONDITION_NOT_MET", "The policy's own check refused the call");
}
