import { hash } from "node:crypto";
import { TokenRejectedError } from "../errors.js";
import { type Claims, readClaim } from "../token/claims.js";
import { type CompactJws, parseCompactJws } from "../token/compact-jws.js";
import { normalizeTarget } from "./dpop-target.js";
import { normalizeType } from "./issuer-settings.js";

/** A proof, and the call that it came with. */
export interface ProofCheck {
  /** Value of the `DPoP` header; null when the request has none. */
  readonly proof: string | null;
  /** The access token, verified. */
  readonly token: string;
  /** Thumbprint of the key that the token is bound to ("cnf" / "jkt"). */
  readonly thumbprint: string;
  /** Method of the request, such as `POST`. */
  readonly method: string;
  /** URL of the request, absolute; query and fragment count for nothing. */
  readonly url: string;
}

/** What a proof has to say. */
export interface ProofRules {
  /** Accepted algorithms. */
  readonly algorithms: ReadonlySet<string>;
  /** How old it may be, in milliseconds. */
  readonly maxAgeMs: number;
  /** How far clocks may be apart, in milliseconds. */
  readonly toleranceMs: number;
}

/** A proof that says what it has to say of its call. Whether its key signed it is not known. */
export interface ReadProof {
  /** The proof, taken apart. */
  readonly jws: CompactJws;
  /** The key that is to have signed it. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** "jti". */
  readonly id: string;
  /** "nonce"; undefined when there is none. */
  readonly nonce: unknown;
  /** From when on it is too old, in milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

const PROOF_TYPE = "dpop+jwt";
const MAX_ID_LENGTH = 256;

/**
 * Holds a proof against its call, without any cryptography but a hash.
 *
 * Spec: RFC 9449 section 4.3.
 *
 * @param nowMs - The present, in milliseconds since the epoch.
 * @throws TokenRejectedError `ERR_PROOF_MISSING` without a proof, or `ERR_PROOF_INVALID`.
 */
export function readProof(check: ProofCheck, rules: ProofRules, nowMs: number): ReadProof {
  if (check.proof === null) throw new TokenRejectedError("ERR_PROOF_MISSING", "The request has no proof of the key");
  const jws = parseProof(check.proof);
  const { alg, typ, header, payload } = jws;
  if (typ === undefined || normalizeType(typ) !== PROOF_TYPE) throw invalidProof("it is of another type");
  if (!rules.algorithms.has(alg)) throw invalidProof("its algorithm is not accepted");
  const jwk = readClaim(header, "jwk");
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) throw invalidProof("it has no key");
  if (readClaim(payload, "htm") !== check.method) throw invalidProof("it is for another method");
  assertTarget(payload, check.url);
  if (readClaim(payload, "ath") !== hash("sha256", check.token, "base64url")) {
    throw invalidProof("it is for another token");
  }
  const id = readClaim(payload, "jti");
  if (typeof id !== "string" || id === "" || id.length > MAX_ID_LENGTH) throw invalidProof('it has no usable "jti"');
  const expiresAtMs = checkAge(payload, rules, nowMs);
  return { jws, jwk: jwk as Claims, id, nonce: readClaim(payload, "nonce"), expiresAtMs };
}

/** The refusal of a proof. The reason is for logs: callers get the same answer for all. */
export function invalidProof(reason: string): TokenRejectedError {
  return new TokenRejectedError("ERR_PROOF_INVALID", `The proof is not accepted: ${reason}`);
}

function parseProof(proof: string): CompactJws {
  try {
    // Two headers, which the Fetch API joins by a comma, are no compact JWS either (RFC 9449 section 4.3, item 1).
    return parseCompactJws(proof);
  } catch {
    throw invalidProof("it is no acceptable compact JWS");
  }
}

function assertTarget(claims: Claims, url: string): void {
  const claimed = readClaim(claims, "htu");
  const target = typeof claimed === "string" ? normalizeTarget(claimed) : undefined;
  if (target === undefined || target !== normalizeTarget(url)) throw invalidProof("it is for another URL");
}

function checkAge(claims: Claims, { maxAgeMs, toleranceMs }: ProofRules, nowMs: number): number {
  const issuedAt = readClaim(claims, "iat");
  if (typeof issuedAt !== "number" || !Number.isFinite(issuedAt)) throw invalidProof('it has no usable "iat"');
  const issuedAtMs = issuedAt * 1_000;
  if (nowMs < issuedAtMs - toleranceMs) throw invalidProof("it was made in the future");
  const expiresAtMs = issuedAtMs + maxAgeMs + toleranceMs;
  if (nowMs >= expiresAtMs) throw invalidProof("it is too old");
  return expiresAtMs;
}
