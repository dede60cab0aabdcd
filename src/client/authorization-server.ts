import { assertFields, assertNonEmptyString, typeName } from "../lib/options.js";
import type { OAuthSettings } from "./oauth-options.js";
import { createServerMetadata, type DiscoveryKind } from "./server-metadata.js";
import { isServerUrl } from "./server-url.js";

/**
 * An authorization server, known by its issuer identifier:
 * - a text: the issuer; its endpoint is discovered, by RFC 8414 and, where the server does not know that, by OpenID
 *   Connect Discovery;
 * - with `discovery`: by that one alone;
 * - with `tokenEndpoint`: at that URL, nothing is discovered.
 */
export type AuthorizationServer =
  | string
  | { readonly issuer: string; readonly tokenEndpoint: string }
  | { readonly issuer: string; readonly discovery: DiscoveryKind };

/** Knows where an authorization server is asked for tokens. */
export interface ServerLocator {
  /** The issuer identifier as configured: what assertions are made for. */
  readonly issuer: string;
  /** The token endpoint as configured; undefined when it is discovered. */
  readonly tokenEndpoint: string | undefined;
  /** Gives the token endpoint. Rejects with {@link TokenSourceError}, or with the signal's reason. */
  locate(signal: AbortSignal): Promise<string>;
}

/**
 * Creates the locator of a server.
 *
 * @throws TypeError if the issuer or the endpoint is no `https:` URL (`http:` for this machine where that is allowed).
 */
export function createServerLocator(settings: OAuthSettings): ServerLocator {
  const { authorizationServer: given, allowLoopbackHttp } = settings;
  const { issuer, tokenEndpoint, discovery } = readServer(given);
  const permitted = allowLoopbackHttp ? "http: only for a loopback host" : "http: is not allowed";
  if (!isServerUrl(issuer, allowLoopbackHttp) || issuer.includes("?")) {
    throw new TypeError(
      `authorizationServer.issuer must be an https: URL without user, query and fragment; ${permitted}`,
    );
  }
  if (tokenEndpoint !== undefined) {
    if (!isServerUrl(tokenEndpoint, allowLoopbackHttp)) {
      throw new TypeError(
        `authorizationServer.tokenEndpoint must be an https: URL without user and fragment; ${permitted}`,
      );
    }
    return { issuer, tokenEndpoint, locate: async () => tokenEndpoint };
  }
  const metadata = createServerMetadata(issuer, discovery, settings);
  return { issuer, tokenEndpoint: undefined, locate: (signal) => metadata.getTokenEndpoint(signal) };
}

interface ServerFields {
  readonly issuer: string;
  readonly tokenEndpoint?: string | undefined;
  readonly discovery?: DiscoveryKind | undefined;
}

function readServer(given: AuthorizationServer): ServerFields {
  const fields: ServerFields = typeof given === "string" ? { issuer: given } : given;
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(
      `authorizationServer must be an issuer identifier or an object with one, got ${typeName(fields)}`,
    );
  }
  assertFields("authorizationServer", fields, { issuer: true, tokenEndpoint: true, discovery: true });
  const { issuer, tokenEndpoint, discovery } = fields;
  assertNonEmptyString("authorizationServer.issuer", issuer);
  if (tokenEndpoint !== undefined) assertNonEmptyString("authorizationServer.tokenEndpoint", tokenEndpoint);
  if (discovery !== undefined && discovery !== "oauth2" && discovery !== "oidc") {
    throw new TypeError('authorizationServer.discovery must be "oauth2" or "oidc"');
  }
  if (tokenEndpoint !== undefined && discovery !== undefined) {
    throw new TypeError("authorizationServer must not have both tokenEndpoint and discovery");
  }
  return { issuer, tokenEndpoint, discovery };
}
