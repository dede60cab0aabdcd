import { AccessDeniedError, KeysUnavailableError, type TokenRejectedCode, TokenRejectedError } from "../errors.js";

/** Why a request of an operator was not fulfilled; `error.code` of the answer. */
export type JwksAdminErrorCode =
  /** 401: no credentials, or none that are accepted. */
  | "ERR_UNAUTHENTICATED"
  /** 403: the caller may not do this. */
  | "ERR_ACCESS_DENIED"
  /** 404: no such path, or no such provider. */
  | "ERR_NOT_FOUND"
  /** 405: the path has other methods. */
  | "ERR_METHOD_NOT_ALLOWED"
  /** 409: the provider cannot be changed here. */
  | "ERR_READ_ONLY"
  /** 415: the body is not JSON as it is. */
  | "ERR_MEDIA_TYPE"
  /** 413: the body is too long. */
  | "ERR_BODY_TOO_LARGE"
  /** 400: the body is not one JSON object, or the path is not well-formed. */
  | "ERR_MALFORMED"
  /** 400: `error.field` cannot be set, or not to this. */
  | "ERR_FIELD_INVALID"
  /** 502: what the issuer answered is no usable key set. */
  | "ERR_KEYS_INVALID"
  /** 503: the issuer could not be asked, or did not answer. */
  | "ERR_KEYS_UNAVAILABLE"
  /** 503: nobody can say at present whether the caller may do this, the caller has gone away, or the server is closing. */
  | "ERR_UNAVAILABLE"
  /** 500: a mistake of the server's own. */
  | "ERR_INTERNAL";

// RFC 6750 section 3.1: no error attribute when the request carried no credentials.
const CHALLENGE_ERRORS: ReadonlyMap<TokenRejectedCode, string | undefined> = new Map([
  ["ERR_CREDENTIALS_MISSING", undefined],
  ["ERR_CREDENTIALS_MALFORMED", "invalid_request"],
]);

/** What an answer says beside code and message. */
interface RefusalExtras {
  /** The field that is wrong. */
  readonly field?: string | undefined;
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is answered with an error; the message is shown to the caller. */
export class JwksAdminRefusal extends Error {
  override readonly name = "JwksAdminRefusal";
  /** Status of the answer. */
  readonly status: number;
  /** Why. */
  readonly code: JwksAdminErrorCode;
  /** The field that is wrong. */
  readonly field: string | undefined;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: JwksAdminErrorCode, message: string, extras: RefusalExtras = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = extras.field;
    this.headers = extras.headers ?? {};
  }
}

/** The answer when something fails that is nobody's business outside. */
export function internalRefusal(): JwksAdminRefusal {
  return new JwksAdminRefusal(500, "ERR_INTERNAL", "The request failed");
}

/** The answer when the caller has gone away, for whoever may still see it, or the registry is disposed. */
export function abortedRefusal(): JwksAdminRefusal {
  return new JwksAdminRefusal(503, "ERR_UNAVAILABLE", "The request was given up on");
}

/**
 * Gives the answer for what `authorize` threw; undefined for what is no refusal but a failure. The texts are constants:
 * the caller is not known, and learns nothing about which check failed.
 *
 * Spec: RFC 6750 section 3.
 */
export function toAuthorizeRefusal(error: unknown): JwksAdminRefusal | undefined {
  if (error instanceof TokenRejectedError) {
    const attribute = CHALLENGE_ERRORS.has(error.code) ? CHALLENGE_ERRORS.get(error.code) : "invalid_token";
    return new JwksAdminRefusal(401, "ERR_UNAUTHENTICATED", "The request needs credentials that are accepted", {
      headers: challenge(attribute),
    });
  }
  if (error instanceof AccessDeniedError) {
    return new JwksAdminRefusal(403, "ERR_ACCESS_DENIED", "The caller may not do this", {
      headers: challenge("insufficient_scope"),
    });
  }
  // Never a challenge: it would make clients throw away good tokens.
  if (error instanceof KeysUnavailableError) {
    return new JwksAdminRefusal(503, "ERR_UNAVAILABLE", "The credentials cannot be checked at present", {
      headers: retryAfter(error.retryAfterMs),
    });
  }
  return undefined;
}

/** Gives the answer for a refresh that failed with keys that cannot be had; undefined for every other failure. */
export function toRefreshRefusal(error: unknown): JwksAdminRefusal | undefined {
  if (!(error instanceof KeysUnavailableError)) return undefined;
  const headers = retryAfter(error.retryAfterMs);
  return error.code === "ERR_KEYS_INVALID"
    ? new JwksAdminRefusal(502, "ERR_KEYS_INVALID", error.message, { headers })
    : new JwksAdminRefusal(503, "ERR_KEYS_UNAVAILABLE", error.message, { headers });
}

function challenge(error: string | undefined): Readonly<Record<string, string>> {
  const attribute = error === undefined ? "" : `, error="${error}"`;
  return { "www-authenticate": `Bearer realm="latchkey"${attribute}` };
}

/** RFC 9110 section 10.2.3: whole seconds. */
function retryAfter(delayMs: number | undefined): Readonly<Record<string, string>> {
  return delayMs === undefined ? {} : { "retry-after": String(Math.max(0, Math.ceil(delayMs / 1_000))) };
}
