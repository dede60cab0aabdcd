import { assertNonEmptyString, typeName } from "../lib/options.js";

/**
 * Headers in which well-known proxies hand on who calls, in lower case: what `identityHeaders` is by default, and a start
 * for a list of your own.
 *
 * @example
 * ```ts
 * import { createServerAuth, IDENTITY_HEADERS } from "latchkey/server";
 *
 * createServerAuth({
 *   issuers: [
 *     {
 *       issuer: "https://idp.example",
 *       audience: "https://jobs.example",
 *       algorithms: ["ES256"],
 *       jwksUri: "https://idp.example/jwks.json",
 *     },
 *   ],
 *   identityHeaders: [...IDENTITY_HEADERS, "x-acme-user"],
 * });
 * ```
 */
export const IDENTITY_HEADERS: readonly string[] = Object.freeze([
  // Of no product in particular.
  "x-user",
  "x-user-id",
  "x-jwt-payload",
  "x-remote-user",
  "x-remote-group",
  // Authelia
  "remote-user",
  "remote-groups",
  "remote-name",
  "remote-email",
  // OAuth2 Proxy, Traefik
  "x-forwarded-user",
  "x-forwarded-email",
  "x-forwarded-groups",
  "x-forwarded-preferred-username",
  "x-forwarded-access-token",
  "x-auth-request-user",
  "x-auth-request-email",
  "x-auth-request-groups",
  "x-auth-request-preferred-username",
  "x-auth-request-access-token",
  // Google Cloud
  "x-endpoint-api-userinfo",
  "x-apigateway-api-userinfo",
  "x-goog-authenticated-user-email",
  "x-goog-authenticated-user-id",
  "x-goog-iap-jwt-assertion",
  // Amazon Web Services
  "x-amzn-oidc-identity",
  "x-amzn-oidc-data",
  "x-amzn-oidc-accesstoken",
  // Microsoft Azure
  "x-ms-client-principal",
  "x-ms-client-principal-id",
  "x-ms-client-principal-name",
  "x-ms-client-principal-idp",
  // Cloudflare, Pomerium, Tailscale
  "cf-access-authenticated-user-email",
  "cf-access-jwt-assertion",
  "x-pomerium-jwt-assertion",
  "tailscale-user-login",
  "tailscale-user-name",
]);

/**
 * Deletes identity headers from those of a call.
 *
 * @param header - Those of the call.
 * @param rawHeaders - Names and values as they came, one after another; undefined or empty where nobody knows.
 */
export type DeleteIdentity = (header: Headers, rawHeaders: readonly string[] | undefined) => void;

// RFC 9110 section 5.6.2.
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
/** What calls are authenticated by; read again when a stream is refused later. */
const OWN_HEADERS: readonly string[] = ["authorization", "dpop"];

/**
 * Creates the {@link DeleteIdentity} of one server.
 *
 * @param identityHeaders - Names in any case.
 * @throws TypeError if they are no array of header names, or a call could not be authenticated without one of them.
 */
export function createDeleteIdentity(identityHeaders: readonly string[] = IDENTITY_HEADERS): DeleteIdentity {
  const names = new Set(readNames(identityHeaders));
  const longest = Math.max(0, ...Array.from(names, (name) => name.length));
  // Hardly ever is one there, and a call must not pay for that: by its shape nearly every other header is told from them.
  const shapes = new Uint8Array((longest + 1) << 8);
  for (const name of names) shapes[toShape(name)] = 1;
  return (header, rawHeaders) => {
    if (rawHeaders === undefined || rawHeaders.length === 0) {
      for (const name of names) header.delete(name);
      return;
    }
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? "";
      if (shapes[toShape(name)] !== 1) continue;
      const lowered = name.toLowerCase();
      if (names.has(lowered)) header.delete(lowered);
    }
  };
}

/** Length and first letter, whose case does not count. */
function toShape(name: string): number {
  return (name.length << 8) | name.charCodeAt(0) | 0x20;
}

function readNames(identityHeaders: unknown): string[] {
  if (!Array.isArray(identityHeaders)) {
    throw new TypeError(`identityHeaders must be an array of strings, got ${typeName(identityHeaders)}`);
  }
  return Array.from(identityHeaders, (name: unknown, index) => {
    const field = `identityHeaders[${index}]`;
    assertNonEmptyString(field, name);
    if (!TOKEN.test(name)) throw new TypeError(`${field} must be the name of a header (RFC 9110 section 5.1)`);
    const lowered = name.toLowerCase();
    if (OWN_HEADERS.includes(lowered)) {
      throw new TypeError(`${field} must not be ${JSON.stringify(lowered)}: calls are authenticated by it`);
    }
    return lowered;
  });
}
