import { digestText } from "../lib/digest-text.js";
import type { TestIssuerEndpoint } from "./answer-script.js";
import type { GoodAnswer } from "./issuer-answer.js";
import type { TestIssuer } from "./test-issuer.js";

/** Where a test issuer publishes what. */
export const ENDPOINT_PATHS: Readonly<Record<TestIssuerEndpoint, string>> = {
  jwks: "/.well-known/jwks.json",
  "openid-configuration": "/.well-known/openid-configuration",
  "oauth-authorization-server": "/.well-known/oauth-authorization-server",
};

/** Gives what is published at a path; undefined for any other path. */
export function findEndpoint(path: string): TestIssuerEndpoint | undefined {
  const endpoints = Object.keys(ENDPOINT_PATHS) as TestIssuerEndpoint[];
  return endpoints.find((endpoint) => ENDPOINT_PATHS[endpoint] === path);
}

/** Writes what an issuer publishes at present. */
export async function publishDocument(
  issuer: TestIssuer,
  endpoint: TestIssuerEndpoint,
  { url, maxAgeSeconds }: { readonly url: string; readonly maxAgeSeconds: number },
): Promise<GoodAnswer> {
  const document =
    endpoint === "jwks"
      ? { ...issuer.jwks() }
      : {
          issuer: issuer.issuer,
          jwks_uri: `${url}${ENDPOINT_PATHS.jwks}`,
          response_types_supported: [],
          grant_types_supported: [],
          // OpenID Connect Discovery 1.0 section 3 requires these.
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: issuer.algorithms,
        };
  const headers = {
    "content-type": "application/json",
    "cache-control": `public, max-age=${maxAgeSeconds}`,
    etag: `"${await digestText(JSON.stringify(document))}"`,
  };
  return { document, headers };
}
