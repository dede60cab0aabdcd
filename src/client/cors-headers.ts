import { cors } from "@connectrpc/connect";

/** Names for the CORS settings of a server. */
export interface CorsHeaders {
  /** For `access-control-allow-methods`. */
  readonly allowedMethods: readonly string[];
  /** For `access-control-allow-headers`: what scripts of another origin may send. */
  readonly allowedHeaders: readonly string[];
  /** For `access-control-expose-headers`: what they may read of an answer. */
  readonly exposedHeaders: readonly string[];
}

/**
 * What a server has to allow before a browser lets a page of another origin call it with tokens: the `cors` of
 * `@connectrpc/connect` and, besides, `authorization` and `dpop` to send, `www-authenticate`, `retry-after` and
 * `dpop-nonce` to read.
 *
 * Without those to send, no call leaves the page. Without the others, calls work but refusals cannot be read: `bearerAuth`
 * repeats no call, for it does not see that the refusal came before the handler. The wildcard `*` does not stand for
 * `authorization`: it has to be listed. Tokens are no cookies, so leave `access-control-allow-credentials` out. Preflight
 * requests carry no token: answer them before the service.
 *
 * Spec: Fetch Standard, sections "CORS protocol" and "CORS-unsafe request-header names".
 *
 * @example
 * ```ts
 * import { corsHeaders } from "latchkey/client";
 *
 * const preflight = {
 *   "access-control-allow-origin": "https://app.example",
 *   "access-control-allow-methods": corsHeaders.allowedMethods.join(", "),
 *   "access-control-allow-headers": corsHeaders.allowedHeaders.join(", "),
 *   "access-control-max-age": "7200",
 * };
 * const answer = {
 *   "access-control-allow-origin": "https://app.example",
 *   "access-control-expose-headers": corsHeaders.exposedHeaders.join(", "),
 *   vary: "origin",
 * };
 * ```
 */
export const corsHeaders: CorsHeaders = /* @__PURE__ */ Object.freeze({
  allowedMethods: /* @__PURE__ */ merge(cors.allowedMethods),
  allowedHeaders: /* @__PURE__ */ merge(cors.allowedHeaders, "Authorization", "DPoP"),
  exposedHeaders: /* @__PURE__ */ merge(cors.exposedHeaders, "WWW-Authenticate", "Retry-After", "DPoP-Nonce"),
});

/** Adds names that are not there yet, in whatever case: some middleware refuses a name that comes twice. */
function merge(names: readonly string[], ...added: readonly string[]): readonly string[] {
  const known = new Set(names.map((name) => name.toLowerCase()));
  return Object.freeze([...names, ...added.filter((name) => !known.has(name.toLowerCase()))]);
}
