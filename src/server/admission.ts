import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextKey, type ContextValues, createContextKey } from "@connectrpc/connect";
import { toConnectError } from "../connect-errors.js";
import { TokenRejectedError } from "../errors.js";
import { raceSignal } from "../lib/signal.js";
import type { MethodRule } from "../policy/method-rule.js";
import type { MethodRules } from "../policy/method-rules.js";
import { parseBearer } from "../token/bearer.js";
import type { Principal } from "../token/principal.js";
import type { Verifier } from "../verify/verifier.js";
import { principalKey } from "./principal-key.js";
import type { ReportRejection } from "./rejection-events.js";
import { requestMarksKey } from "./request-marks.js";

/** A call that has passed everything that needs no message. */
export interface Admission {
  /** The rule it was admitted by. */
  readonly rule: MethodRule;
  /** The caller; undefined on a public method. */
  readonly principal: Principal | undefined;
  /** The request headers that were looked at; they belong to one call alone. */
  readonly header: Headers;
}

/** What of a call is needed to admit it; both the gate's and the interceptor's view of a call can give it. */
export interface Call {
  readonly method: DescMethod;
  readonly header: Headers;
  readonly values: ContextValues;
  readonly signal: AbortSignal;
}

/** Decides whether calls get in. */
export interface Admissions {
  /**
   * Authenticates the caller and applies the rule of the method; notes the outcome in the call's context values.
   *
   * Rejects with the `ConnectError` to answer.
   */
  admit(call: Call): Promise<Admission>;
  /** Gives the admission of this very call to this very method; undefined when it has none. */
  find(call: Call): Admission | undefined;
  /** Gives the `ConnectError` to answer for a refusal, and tells of it. */
  refuse(error: unknown, method: DescMethod, principal?: Principal): ConnectError;
}

/** Collaborators of {@link createAdmissions}. */
export interface AdmissionsOptions {
  readonly verifier: Verifier;
  readonly rules: MethodRules;
  readonly realm: string;
  readonly report: ReportRejection;
}

/** Creates the {@link Admissions} of one server. */
export function createAdmissions({ verifier, rules, realm, report }: AdmissionsOptions): Admissions {
  // A key per server: two that share a process must not take each other's word.
  const admissionKey: ContextKey<Admission | undefined> = createContextKey<Admission | undefined>(undefined, {
    description: "latchkey admission",
  });
  const refuse: Admissions["refuse"] = (error, method, principal) => {
    report(error, method, principal?.issuer);
    return toConnectError(error, { realm });
  };
  const authenticate = (call: Call): Principal | Promise<Principal> => {
    if (call.values.get(requestMarksKey)?.hasManyAuthorizations === true) {
      // Node.js keeps the first line, a proxy on the way may have judged by the last.
      throw new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", "The request has several Authorization headers");
    }
    const token = parseBearer(call.header.get("authorization"));
    const known = verifier.verifyCached(token);
    if (known !== undefined) return known;
    const { signal } = call;
    return raceSignal(verifier.verify(token, { signal }), signal);
  };
  return {
    async admit(call) {
      const { method, header, values, signal } = call;
      const rule = rules.find(method);
      if (values.get(requestMarksKey)?.hasBadAuthority === true) {
        throw new ConnectError("invalid host", Code.InvalidArgument);
      }
      let principal: Principal | undefined;
      try {
        if (rule === undefined) throw new TypeError("The method has no policy that can be applied");
        if (!rule.isPublic) {
          const caller = authenticate(call);
          principal = caller instanceof Promise ? await caller : caller;
          rule.checkCaller(principal);
        }
        const admission: Admission = { rule, principal, header };
        values.set(principalKey, principal).set(admissionKey, admission);
        return admission;
      } catch (error) {
        throw signal.aborted && error === signal.reason ? toAbortError(error) : refuse(error, method, principal);
      }
    },
    find(call) {
      const admission = call.values.get(admissionKey);
      // Headers are made per call: an admission under other headers is another call's, left in shared context values.
      if (admission === undefined || admission.header !== call.header) return undefined;
      return admission.rule === rules.find(call.method) ? admission : undefined;
    },
    refuse,
  };
}

/** Connect aborts with `deadline_exceeded` when the time is up; a peer that leaves aborts with any reason. */
function toAbortError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  return new ConnectError("the call was aborted", Code.Canceled, undefined, undefined, reason);
}
