import { createServerAuth, type ServerAuth, type ServerAuthOptions } from "../../src/server.js";
import type { TestIssuer } from "../../src/testing/test-issuer.js";

/** Creates the authentication of a server that trusts a test issuer by its keys as they are now. */
export function createAuthFor(issuer: TestIssuer, options: Partial<ServerAuthOptions> = {}): ServerAuth {
  const { issuer: name, audience } = issuer;
  return createServerAuth({
    issuers: [{ issuer: name, audience, algorithms: ["ES256"], keys: issuer.jwks() }],
    ...options,
  });
}
