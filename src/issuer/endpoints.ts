import type { KeyRing } from "../keys/key-ring.js";
import { digestText } from "../lib/digest-text.js";
import { assertNonEmptyString, assertNotNegative } from "../lib/options.js";

/** Options of {@link createIssuerEndpoints}. */
export interface IssuerEndpointsOptions {
  /** The "iss" of the tokens: an absolute `https:` URL (or `http:`, for development) without query and fragment. */
  readonly issuer: string;
  /** The keys to publish. */
  readonly keyRing: KeyRing;
  /** Path of the key set on the issuer's origin. @defaultValue `"/.well-known/jwks.json"` */
  readonly jwksPath?: string;
  /**
   * How long caches may hold the answers, in whole seconds; at most the ring's `gracePeriodMs`, for a cache that holds
   * longer would not know a key that signs. @defaultValue `300` (5 minutes), or the grace period if that is less
   */
  readonly maxAgeSeconds?: number;
}

const DEFAULTS = {
  jwksPath: "/.well-known/jwks.json",
  maxAgeSeconds: 5 * 60,
} as const satisfies Partial<IssuerEndpointsOptions>;

// RFC 8414 section 3: the well-known part comes before the path of the issuer.
const METADATA_PATH = "/.well-known/oauth-authorization-server";

const ENTITY_TAG = /"[!#-~\x80-\xff]*"/g;

/**
 * Creates the public endpoints of an issuer as a fetch handler: its key set and its metadata.
 *
 * Both are answered to GET and HEAD with `Cache-Control` and a strong `ETag`, and with 304 when the caller has the
 * present version. Other methods get 405, other paths 404. Nothing of a request but its method, its path and its
 * `If-None-Match` is looked at. Costs one SHA-256 of the answer.
 *
 * The handler rejects as {@link KeyRing.publicKeys} does.
 *
 * Spec: RFC 7517 section 5 (JWK Set), RFC 8414 sections 2 and 3 (metadata), RFC 9110 sections 8.8.3 and 13.1.2 (ETag).
 *
 * @example
 * ```ts
 * import { createIssuerEndpoints, createKeyRing, memoryKeyStore } from "latchkey/issuer";
 *
 * const keyRing = createKeyRing({
 *   store: memoryKeyStore(),
 *   gracePeriodMs: 10 * 60 * 1000,
 *   maxTokenLifetimeMs: 60 * 60 * 1000,
 * });
 * const handle = createIssuerEndpoints({ issuer: "https://idp.example", keyRing });
 * const response = await handle(new Request("https://idp.example/.well-known/jwks.json"));
 * ```
 *
 * @param options - The issuer and its keys, and how they are served.
 * @returns The handler; mount it on the origin of `issuer`.
 * @throws TypeError or RangeError naming the option that is missing or out of range.
 */
export function createIssuerEndpoints(options: IssuerEndpointsOptions): (request: Request) => Promise<Response> {
  const { issuer, keyRing, jwksPath = DEFAULTS.jwksPath } = options;
  if (typeof keyRing?.publicKeys !== "function") throw new TypeError("keyRing must be a KeyRing");
  const longestAgeSeconds = Math.floor(keyRing.gracePeriodMs / 1_000);
  const { maxAgeSeconds = Math.min(DEFAULTS.maxAgeSeconds, longestAgeSeconds) } = options;
  assertMaxAge(maxAgeSeconds, longestAgeSeconds);
  const issuerUrl = parseIssuer(issuer);
  const jwksUri = new URL(jwksPath, issuerUrl);
  if (jwksUri.pathname !== jwksPath || jwksUri.origin !== issuerUrl.origin) {
    throw new TypeError("jwksPath must be an absolute path without query and fragment");
  }
  const metadataPath = `${METADATA_PATH}${issuerUrl.pathname.replace(/\/$/, "")}`;
  if (jwksPath === metadataPath) throw new TypeError("jwksPath must not be the path of the metadata");
  const metadata = JSON.stringify({
    issuer,
    jwks_uri: jwksUri.href,
    // Both required or with a default that would promise more; there is no endpoint to ask for a token.
    response_types_supported: [],
    grant_types_supported: [],
  });
  const bodies: ReadonlyMap<string, () => Promise<string>> = new Map([
    [metadataPath, async () => metadata],
    [jwksPath, async () => JSON.stringify({ keys: await keyRing.publicKeys() })],
  ]);

  return async (request) => {
    const body = bodies.get(new URL(request.url).pathname);
    if (body === undefined) return new Response("Not found\n", { status: 404 });
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    return answer(request, await body(), maxAgeSeconds);
  };
}

async function answer(request: Request, text: string, maxAgeSeconds: number): Promise<Response> {
  const etag = `"${await digestText(text)}"`;
  const headers = new Headers({ "cache-control": `public, max-age=${maxAgeSeconds}`, etag });
  if (matches(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  const body = new TextEncoder().encode(text);
  // RFC 7517 section 8.5 has a type of its own for key sets, which some verifiers refuse; none refuses this one.
  headers.set("content-type", "application/json");
  headers.set("content-length", String(body.byteLength));
  return new Response(request.method === "HEAD" ? null : body, { status: 200, headers });
}

/** RFC 9110 section 13.1.2: "*", or a list in which weak tags count as well. */
function matches(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  return ifNoneMatch.trim() === "*" || [...ifNoneMatch.matchAll(ENTITY_TAG)].some(([tag]) => tag === etag);
}

function parseIssuer(issuer: string): URL {
  assertNonEmptyString("issuer", issuer);
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol)) {
    throw new TypeError("issuer must be an absolute https: or http: URL");
  }
  // RFC 8414 section 2; a user name or password would be published.
  if (url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw new TypeError("issuer must have no query, fragment, user name or password");
  }
  return url;
}

function assertMaxAge(seconds: number, longestSeconds: number): void {
  assertNotNegative("maxAgeSeconds", seconds);
  if (!Number.isInteger(seconds)) throw new RangeError(`maxAgeSeconds must be an integer, got ${seconds}`);
  if (seconds > longestSeconds) {
    throw new RangeError(`maxAgeSeconds must be at most ${longestSeconds}, the gracePeriodMs of keyRing`);
  }
}
