import type { DescMethod, Message } from "@bufbuild/protobuf";
import { AccessDeniedError } from "../errors.js";
import type { Principal } from "../token/principal.js";
import type { AccessPolicy, MethodAccess } from "./access-policy.js";
import type { ConditionCompiler } from "./condition.js";
import { type ConditionCheck, createConditionCheck } from "./condition-check.js";
import { compileOrgField } from "./org-field.js";
import { createStepUpCheck, type StepUpTime } from "./step-up.js";

/** A rule made ready to be applied to calls. */
export interface MethodRule extends MethodAccess {
  /** Whether anyone may call, without being looked at. */
  readonly isPublic: boolean;
  /**
   * Applies what needs no message.
   *
   * @throws AccessDeniedError naming the first demand that the caller does not meet.
   * @throws StepUpRequiredError when none is left but that the subject authenticates again.
   */
  checkCaller(principal: Principal): void;
  /**
   * Applies what needs a message; to be called for each message of the request. Absent when the rule has no such part.
   *
   * @throws AccessDeniedError when the message is not the caller's to send.
   */
  readonly checkMessage?: (principal: Principal, message: Message) => void;
}

/** What rules are made with. */
export interface RuleOptions extends StepUpTime {
  /** Makes conditions ready; without it, a policy that has one cannot be applied. */
  readonly conditions: ConditionCompiler | undefined;
}

/**
 * Makes a rule ready.
 *
 * @throws TypeError naming the method when `orgField` leads nowhere, or `condition` cannot be compiled.
 */
export function createMethodRule(access: MethodAccess, method: DescMethod, options: RuleOptions): MethodRule {
  const condition = createConditionCheck(access, method, options.conditions);
  const checkMessage = createMessageCheck(access, method, condition);
  return {
    ...access,
    isPublic: access.policy.public === true,
    checkCaller: createCallerCheck(access.policy, condition, options),
    ...(checkMessage !== undefined && { checkMessage }),
  };
}

function createCallerCheck(
  policy: AccessPolicy,
  condition: ConditionCheck | undefined,
  time: StepUpTime,
): (principal: Principal) => void {
  const { anyRole, allRoles, scopes, orgs, allow } = policy;
  const needsOrg = policy.orgField !== undefined || orgs !== undefined;
  const checkStepUp = createStepUpCheck(policy, time);
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
    condition?.checkCaller(principal);
    if (allow !== undefined) assertAllowed(allow(principal));
    // Last: nobody is sent to authenticate again who could not call then either.
    checkStepUp?.(principal);
  };
}

function createMessageCheck(
  { method: where, policy: { orgField, allow } }: MethodAccess,
  method: DescMethod,
  condition: ConditionCheck | undefined,
): MethodRule["checkMessage"] {
  const readOrg = orgField === undefined ? undefined : compileOrgField(where, method, orgField);
  const checkCondition = condition?.checkMessage;
  if (readOrg === undefined && checkCondition === undefined && allow === undefined) return undefined;
  return (principal, message) => {
    // Two absent organisations are not the same organisation.
    if (readOrg !== undefined && !(hasOrg(principal) && readOrg(message) === principal.org)) {
      throw new AccessDeniedError("ERR_ORG_MISMATCH", "The request names another organisation than the caller's");
    }
    checkCondition?.(principal, message);
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
