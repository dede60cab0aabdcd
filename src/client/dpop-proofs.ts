import type { Interceptor } from "@connectrpc/connect";
import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { pickPublicMembers, type SigningKey } from "../keys/signing-key.js";
import { jwkThumbprint } from "../keys/thumbprint.js";
import { encodeBase64url } from "../lib/base64url.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { digestText } from "../lib/digest-text.js";
import { assertBoolean, assertFields } from "../lib/options.js";
import { algorithmsForKey } from "../token/algorithms.js";
import { proveCalls } from "./dpop-calls.js";
import { signCompactJwt } from "./sign-compact-jwt.js";
import { assertSigningKey } from "./token-signing-key.js";

/** Options of {@link dpopProofs}. */
export interface DpopProofsOptions {
  /** The key that tokens are bound to: its private part signs the proofs, its public part goes along with them. */
  readonly key: SigningKey;
  /**
   * Whether the transport makes calls without side effects by GET: has to be what its option of the same name is. A proof
   * names the HTTP method, which the transport chooses only after the proof is made. @defaultValue `false`
   */
  readonly useHttpGet?: boolean;
  /** Time of the proofs. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** A request that is to be proven. */
export interface DpopProofRequest {
  /** Its HTTP method, such as `POST`. */
  readonly method: string;
  /** Where it goes, absolute; query and fragment do not matter. */
  readonly url: string;
  /** The token that it carries; absent at a token endpoint. */
  readonly accessToken?: string | undefined;
  /** What the server wants to find in the proof, from its header "dpop-nonce"; absent until it has given one. */
  readonly nonce?: string | undefined;
  /** The present, in milliseconds since the epoch. @defaultValue that of the clock */
  readonly nowMs?: number;
}

/** Proves that whoever sends a request holds a key. Made by {@link dpopProofs}. */
export interface DpopProofs {
  /** The public key, without "kid", "alg" and "use"; frozen. */
  readonly publicJwk: JWK;
  /** Sends the bearer token of each call as `Authorization: DPoP`, with a proof. {@link bearerAuth} puts it behind itself. */
  readonly interceptor: Interceptor;
  /** Gives the thumbprint of the key (RFC 7638): what a token that is bound to it says in "cnf", as "jkt". */
  thumbprint(): Promise<string>;
  /**
   * Makes the value of the `DPoP` header of one request; a request that is sent again needs a new one.
   *
   * Rejects with {@link CredentialError} `ERR_KEY_INVALID` when the key cannot sign.
   */
  createProof(request: DpopProofRequest): Promise<string>;
}

/** For servers whose clock is a little behind: a proof from the future is refused (RFC 9449 section 11.1). */
const BACKDATE_SECONDS = 5;

/**
 * Proves with each request that its sender holds the key that its token is bound to. A token that is stolen on the way,
 * or from a log, is then of no use to the thief.
 *
 * Give it to {@link bearerAuth}, which sends tokens as `Authorization: DPoP` and a proof with each, and to the source of
 * the tokens, which has them bound: {@link signedJwt}, {@link clientCredentials}, {@link jwtBearer} and
 * {@link tokenExchange} have an option `dpop`. Tokens from elsewhere have to be bound to the same key.
 *
 * A proof is for one request: it names the HTTP method, the URL, the token by its hash and the time ("iat", 5 seconds
 * back, so that a server whose clock is a little behind accepts it), and has 128 random bits. Put interceptors that change
 * the URL of calls in front of `bearerAuth`, for a proof does not fit another URL.
 *
 * Servers may want a nonce of theirs in it besides. The latest of each server is kept, of 256 servers. A call that is
 * refused for want of it is made again with it, once, if it is unary or a server stream that was not answered yet. Client
 * and bidi streams are not made again: the next call has the nonce.
 *
 * Costs one signature per request: about 0.15 ms for ES256, 0.5 ms for RS256.
 *
 * Spec: RFC 9449 sections 4.2 (proof), 7.1 (calls), 8 and 9 (nonces); RFC 7638 (thumbprint).
 *
 * @example
 * ```ts
 * import { bearerAuth, dpopProofs, generateSigningKey, signedJwt } from "latchkey/client";
 *
 * const { key } = await generateSigningKey();
 * const dpop = dpopProofs({ key });
 * const interceptor = bearerAuth(signedJwt({ key, issuer: "jobs-cli", dpop }), { dpop });
 * ```
 *
 * @param options - The key; every other field has a default.
 * @returns What makes the proofs, safe to share between interceptors and sources of one identity.
 * @throws TypeError if the key cannot sign, its parts do not fit its algorithm, or an option is unknown or of the wrong
 * type.
 * @throws CredentialError `ERR_KEY_INVALID` if its public part lacks a member.
 */
export function dpopProofs(options: DpopProofsOptions): DpopProofs {
  assertFields("options", options, { key: true, useHttpGet: true, clock: true });
  const { key, useHttpGet = false, clock = systemClock } = options;
  assertSigningKey(key);
  assertBoolean("useHttpGet", useHttpGet);
  const { algorithm, privateKey } = key;
  // Picked one by one: what stands in a header for all to see must be public.
  const jwk = readPublicJwk(key);
  const header = { alg: algorithm, typ: "dpop+jwt", jwk };
  let jkt: Promise<string> | undefined;
  let hashed: { readonly token: string; readonly ath: Promise<string> } | undefined;

  // RFC 9449 section 4.2: the digest of the token's ASCII text. Kept, for most calls carry the token of the call before,
  // and a hash takes a third of the time of a signature.
  const hashOf = (token: string): Promise<string> => {
    if (hashed?.token !== token) hashed = { token, ath: digestText(token) };
    return hashed.ath;
  };

  const createProof = async (request: DpopProofRequest): Promise<string> => {
    const { method, accessToken, nonce, nowMs = clock.nowMs() } = request;
    const { origin, pathname } = new URL(request.url);
    try {
      return await signCompactJwt(privateKey, header, {
        jti: encodeBase64url(crypto.getRandomValues(new Uint8Array(16))),
        htm: method,
        htu: `${origin}${pathname}`,
        iat: Math.floor(nowMs / 1_000) - BACKDATE_SECONDS,
        ...(accessToken !== undefined && { ath: await hashOf(accessToken) }),
        ...(nonce !== undefined && { nonce }),
      });
    } catch (cause) {
      throw new CredentialError("ERR_KEY_INVALID", "The key cannot sign proofs", { cause });
    }
  };

  return {
    publicJwk: jwk,
    interceptor: proveCalls(createProof, useHttpGet),
    thumbprint() {
      jkt ??= jwkThumbprint(jwk);
      return jkt;
    },
    createProof,
  };
}

function readPublicJwk({ algorithm, publicJwk }: SigningKey): JWK & { readonly kty: string } {
  const fitting = algorithmsForKey({ kty: publicJwk?.kty, crv: publicJwk?.crv });
  if (!fitting.includes(algorithm)) throw new TypeError("key.publicJwk must be the public key of key.privateKey");
  return Object.freeze(pickPublicMembers(publicJwk)) as JWK & { readonly kty: string };
}
