import type { Message } from "@bufbuild/protobuf";
import type { Principal } from "../token/principal.js";

/**
 * Who may call a method. The fields combine with AND; an empty object admits every authenticated caller.
 *
 * The same rule can stand beside the method in its `.proto` file, as `latchkey.auth.v1.access`, or beside the service, as
 * `latchkey.auth.v1.service_access`; `orgs` and `allow` exist in code only.
 */
export interface AccessPolicy {
  /**
   * Anyone may call: the Authorization header is not looked at, and there is no caller. Excludes every other field.
   *
   * @defaultValue `false`
   */
  readonly public?: boolean;
  /** The caller has at least one of these roles. */
  readonly anyRole?: readonly string[];
  /** The caller has every one of these roles. */
  readonly allRoles?: readonly string[];
  /** The caller's token carries every one of these scopes. */
  readonly scopes?: readonly string[];
  /**
   * Path of a string field of the request by its names in the `.proto` file, such as `org_id` or `job.org_id`, whose
   * value must equal the caller's organisation in every message of the request. A caller without one is refused.
   */
  readonly orgField?: string;
  /**
   * A CEL expression. This release does not evaluate conditions: a method that has one cannot be served, for serving it
   * without would admit callers that the condition shuts out.
   */
  readonly condition?: string;
  /** The caller's organisation is one of these. */
  readonly orgs?: readonly string[];
  /**
   * A check of your own. It is called with the caller alone before anything of the body is read, and again with each
   * message of the request; every call must return `true`. Anything else refuses, a promise too: look up what it needs
   * beforehand. Called on every request, so it should be cheap.
   */
  readonly allow?: (principal: Principal, request?: Message) => boolean;
}

/**
 * Rules in code, keyed by `pkg.Service/Method`, or by `pkg.Service/*` for all methods of a service that have no entry of
 * their own. An entry replaces the options in the `.proto` file as a whole.
 */
export type PolicyTable = Readonly<Record<string, AccessPolicy>>;

/** The rule that holds for a method, and where it comes from. */
export interface MethodAccess {
  /** Full name, such as `pkg.Service/Method`. */
  readonly method: string;
  /** Where the rule was found; the first of these that has one decides. */
  readonly source: "code" | "method option" | "service option";
  /** The rule itself, frozen. */
  readonly policy: AccessPolicy;
}
