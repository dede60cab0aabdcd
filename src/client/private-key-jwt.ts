import { assertFields, assertPositiveInteger, withoutUndefined } from "../lib/options.js";
import type { ClientAuth } from "./client-auth.js";
import { signCompactJwt } from "./sign-compact-jwt.js";
import { assertSigningKey, type TokenSigningKey } from "./token-signing-key.js";

/** Options of {@link privateKeyJwt}. */
export interface PrivateKeyJwtOptions {
  /** Signs the assertions; a function is asked for each of them, for keys that are replaced while the process runs. */
  readonly key: TokenSigningKey | (() => TokenSigningKey);
  /**
   * What the "aud" claim names: the issuer of the server, or, as old servers want it, its token endpoint, which then has
   * to be configured. @defaultValue `"issuer"`
   */
  readonly audience?: "issuer" | "token_endpoint";
  /** From "iat" to "exp", in whole seconds, 1 to 60. @defaultValue `60` */
  readonly lifetimeSeconds?: number;
}

const DEFAULTS = {
  audience: "issuer",
  lifetimeSeconds: 60,
} as const satisfies Partial<PrivateKeyJwtOptions>;

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LONGEST_LIFETIME_SECONDS = 60;
const BACKDATE_SECONDS = 10;

/**
 * Authenticates a client by a short-lived JWT that it signs with its private key, one per request.
 *
 * The assertion has "iss" and "sub" of the client, one "aud" as a text, "iat", "nbf", "exp" and a fresh "jti", and the
 * type `client-authentication+jwt`. The audience is the configured issuer and nothing that a server says of itself: an
 * assertion made for the address that a hostile server names could be used at another. "iat" and "nbf" lie 10 seconds
 * back (half of the lifetime when that is less) by the server's clock, as far as its answers have shown it.
 *
 * Spec: RFC 7523 sections 2.2 and 3 and its revision (audience and type), RFC 7521 section 4.2.
 *
 * @example
 * ```ts
 * import { bearerAuth, clientCredentials, generateSigningKey, privateKeyJwt } from "latchkey/client";
 *
 * const { key } = await generateSigningKey();
 * const source = clientCredentials({
 *   authorizationServer: "https://issuer.example",
 *   clientId: "nightly-report",
 *   clientAuth: privateKeyJwt({ key }),
 * });
 * const interceptor = bearerAuth(source, { origins: ["https://jobs.example"] });
 * ```
 *
 * @param options - The key; every other field has a default.
 * @throws TypeError if the key cannot sign or `audience` is neither value.
 * @throws RangeError if the lifetime is not a whole number of seconds from 1 to 60.
 */
export function privateKeyJwt(options: PrivateKeyJwtOptions): ClientAuth {
  assertFields("options", options, { key: true, audience: true, lifetimeSeconds: true });
  const { key } = options;
  const { audience, lifetimeSeconds } = { ...DEFAULTS, ...withoutUndefined(options) };
  if (typeof key !== "function") assertSigningKey(key);
  if (audience !== "issuer" && audience !== "token_endpoint") {
    throw new TypeError('audience must be "issuer" or "token_endpoint"');
  }
  assertPositiveInteger("lifetimeSeconds", lifetimeSeconds);
  if (lifetimeSeconds > LONGEST_LIFETIME_SECONDS) {
    throw new RangeError(`lifetimeSeconds must be at most ${LONGEST_LIFETIME_SECONDS}, got ${lifetimeSeconds}`);
  }
  const backdateSeconds = Math.min(BACKDATE_SECONDS, Math.floor(lifetimeSeconds / 2));

  return {
    async authenticate({ issuer, tokenEndpoint, clientId, nowMs, body }) {
      const current = typeof key === "function" ? key() : key;
      assertSigningKey(current);
      const { kid, algorithm, privateKey } = current;
      const issuedAt = Math.floor(nowMs / 1_000) - backdateSeconds;
      const header = { alg: algorithm, kid, typ: "client-authentication+jwt" };
      const assertion = await signCompactJwt(privateKey, header, {
        iss: clientId,
        sub: clientId,
        aud: audience === "issuer" ? issuer : tokenEndpoint,
        iat: issuedAt,
        nbf: issuedAt,
        exp: issuedAt + lifetimeSeconds,
        jti: crypto.randomUUID(),
      });
      body.set("client_id", clientId);
      body.set("client_assertion_type", ASSERTION_TYPE);
      body.set("client_assertion", assertion);
    },
    boundToEndpoint: audience === "token_endpoint",
  };
}
