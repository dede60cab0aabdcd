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
   * A CEL expression over `principal`, `request` and `method`, which must give `true`; {@link celConditions} of
   * `latchkey/cel` says what it may refer to. One that mentions `request` is evaluated for every message of the request;
   * what of it the caller alone decides refuses before any message is read.
   */
  readonly condition?: string;
  /**
   * The subject authenticated in one of these contexts: the "acr" claim is one of them. Otherwise the caller is asked to
   * have the subject authenticate again (RFC 9470). Visible ASCII without quote and backslash.
   */
  readonly acrValues?: readonly string[];
  /**
   * The subject authenticated at most this many seconds ago, by the "auth_time" claim and the clock tolerance. Otherwise,
   * and without the claim, the caller is asked to have the subject authenticate again (RFC 9470). An integer from 1 up.
   */
  readonly maxAgeSeconds?: number;
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
