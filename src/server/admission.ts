import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextKey, type ContextValues, createContextKey } from "@connectrpc/connect";
import { type ConnectErrorOptions, toConnectError } from "../connect-errors.js";
import { TokenRejectedError } from "../errors.js";
import { raceSignal } from "../lib/signal.js";
import type { MethodRule } from "../policy/method-rule.js";
import type { MethodRules } from "../policy/method-rules.js";
import { blameCredentials, type Credentials, splitCredentials } from "../token/bearer.js";
import type { Principal } from "../token/principal.js";
import type { TokenSender } from "../verify/token-sender.js";
import type { Verifier } from "../verify/verifier.js";
import { clientCertificateKey } from "./client-certificate.js";
import type { DeleteIdentity } from "./identity-headers.js";
import { principalKey } from "./principal-key.js";
import type { ReportRejection } from "./rejection-events.js";
import { type RequestMarks, requestMarksKey } from "./request-marks.js";

type Marks = RequestMarks | undefined;

/** A call that has passed everything that needs no message. */
export interface Admission {
  /** The rule it was admitted by. */
  readonly rule: MethodRule;
  /** The caller; undefined on a public method. */
  readonly principal: Principal | undefined;
  /** The token that says so; undefined on a public method. */
  readonly token: string | undefined;
  /** The request headers that were looked at; they belong to one call alone. */
  readonly header: Headers;
}

/** What of a call is needed to admit it; both the gate's and the interceptor's view of a call can give it. */
export interface Call {
  readonly method: DescMethod;
  readonly header: Headers;
  readonly values: ContextValues;
  readonly signal: AbortSignal;
  /** HTTP method of the request. */
  readonly requestMethod: string;
  /** URL of the request. */
  readonly url: string;
}

/** Decides whether calls get in. */
export interface Admissions {
  /**
   * Deletes what headers claim about the caller, authenticates it and applies the rule of the method; notes the outcome in
   * the call's context values. Gives no promise where nothing has to be waited for.
   *
   * Throws, or rejects with, the `ConnectError` to answer.
   */
  admit(call: Call): Admission | Promise<Admission>;
  /** Gives the admission of this very call to this very method; undefined when it has none. */
  find(call: Call): Admission | undefined;
  /**
   * Applies what may have changed since a call was admitted: its token, its key, whether it was revoked, what is on
   * record about the caller, and the rule as far as it needs no message.
   *
   * Gives the caller as it is now; rejects with the `ConnectError` to end the call with.
   */
  readmit(call: Call, admission: Admission): Promise<Principal | undefined>;
  /** Gives the `ConnectError` to answer for a refusal, and tells of it. */
  refuse(error: unknown, call: Pick<Call, "method" | "header">, principal?: Principal): ConnectError;
  /** Tells a caller who proves its key which nonce its next proof shall carry. */
  offerNonce(requestHeader: Headers, responseHeader: Headers): void;
}

/** Collaborators of {@link createAdmissions}. */
export interface AdmissionsOptions {
  readonly verifier: Verifier;
  readonly rules: MethodRules;
  /** What challenges say of this server. */
  readonly challenge: Pick<ConnectErrorOptions, "realm" | "resourceMetadata">;
  readonly report: ReportRejection;
  readonly deleteIdentity: DeleteIdentity;
}

/** Creates the {@link Admissions} of one server. */
export function createAdmissions(options: AdmissionsOptions): Admissions {
  const { verifier, rules, challenge, report, deleteIdentity } = options;
  // A key per server: two that share a process must not take each other's word.
  const admissionKey: ContextKey<Admission | undefined> = createContextKey<Admission | undefined>(undefined, {
    description: "latchkey admission",
  });
  const { proofAlgorithms } = verifier;
  const offerNonce: Admissions["offerNonce"] = (requestHeader, responseHeader) => {
    const nonce = verifier.proofNonce();
    if (nonce !== undefined && isProven(requestHeader)) responseHeader.set("dpop-nonce", nonce);
  };
  const refuse: Admissions["refuse"] = (error, { method, header }, principal) => {
    report(error, method, principal?.issuer);
    const scheme = proofAlgorithms !== undefined && isProven(header) ? "DPoP" : "Bearer";
    const refusal = toConnectError(error, { ...challenge, scheme, proofAlgorithms });
    offerNonce(header, refusal.metadata);
    return refusal;
  };
  /** Gives what to answer for whatever ended a call: a refusal, unless the call was over before. */
  const toAnswer = (error: unknown, call: Call, principal?: Principal): ConnectError =>
    call.signal.aborted && error === call.signal.reason ? toAbortError(error) : refuse(error, call, principal);
  const authenticate = (call: Call, { token, scheme }: Credentials, marks: Marks): Principal | Promise<Principal> => {
    const { signal } = call;
    const answer = verifier.verifyNow(token, { signal, sender: toSender(call, scheme, marks) });
    return answer instanceof Promise ? raceSignal(answer, signal) : answer;
  };
  const readCredentials = (header: Headers, marks: Marks): Credentials => {
    if (marks?.hasManyAuthorizations === true) {
      // Node.js keeps the first line, a proxy on the way may have judged by the last.
      throw new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", "The request has several Authorization headers");
    }
    const credentials = splitCredentials(header.get("authorization"));
    if (credentials.scheme === "DPoP" && proofAlgorithms === undefined) {
      throw new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", "Proofs of keys are not checked here");
    }
    return credentials;
  };
  const note = ({ values, header }: Call, rule: MethodRule, principal?: Principal, token?: string): Admission => {
    const admission: Admission = { rule, principal, token, header };
    values.set(principalKey, principal).set(admissionKey, admission);
    return admission;
  };
  const admitCaller = (call: Call, rule: MethodRule, principal: Principal, token: string): Admission => {
    try {
      rule.checkCaller(principal);
    } catch (error) {
      throw toAnswer(error, call, principal);
    }
    return note(call, rule, principal, token);
  };
  return {
    admit(call) {
      const rule = rules.find(call.method);
      const marks = call.values.get(requestMarksKey);
      if (marks?.hasBadAuthority === true) throw new ConnectError("invalid host", Code.InvalidArgument);
      deleteIdentity(call.header, marks?.rawHeaders);
      if (rule === undefined) {
        throw refuse(new TypeError("The method has no policy that can be applied"), call);
      }
      if (rule.isPublic) return note(call, rule);
      let credentials: Credentials;
      let caller: Principal | Promise<Principal>;
      try {
        credentials = readCredentials(call.header, marks);
        caller = authenticate(call, credentials, marks);
      } catch (error) {
        throw toAnswer(error, call);
      }
      const { token } = credentials;
      if (!(caller instanceof Promise)) return admitCaller(call, rule, caller, token);
      return caller.then(
        (principal) => admitCaller(call, rule, principal, token),
        (error) => {
          throw toAnswer(blameCredentials(error, token), call);
        },
      );
    },
    async readmit(call, { rule, token }) {
      if (token === undefined) return undefined;
      let principal: Principal | undefined;
      try {
        principal = await verifier.recheck(token, { signal: call.signal });
        rule.checkCaller(principal);
        return principal;
      } catch (error) {
        throw toAnswer(error, call, principal);
      }
    },
    offerNonce,
    find(call) {
      const admission = call.values.get(admissionKey);
      // Headers are made per call: an admission under other headers is another call's, left in shared context values.
      if (admission === undefined || admission.header !== call.header) return undefined;
      return admission.rule === rules.find(call.method) ? admission : undefined;
    },
    refuse,
  };
}

function isProven(header: Headers): boolean {
  return /^dpop /i.test(header.get("authorization") ?? "");
}

function toSender(
  { values, header, requestMethod, url }: Call,
  scheme: TokenSender["scheme"],
  marks: Marks,
): TokenSender {
  const certificateThumbprint = (): string | undefined =>
    values.get(clientCertificateKey) ?? marks?.clientCertificate();
  if (scheme === "Bearer") return { scheme, certificateThumbprint };
  return { scheme, certificateThumbprint, request: { proof: header.get("dpop"), method: requestMethod, url } };
}

/** Connect aborts with `deadline_exceeded` when the time is up; a peer that leaves aborts with any reason. */
function toAbortError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  return new ConnectError("the call was aborted", Code.Canceled, undefined, undefined, reason);
}
