import type { Principal } from "../../src/token/principal.js";

/** A caller of organisation `acme` with the role `tester`, changed as given. */
export function createPrincipal(overrides: Partial<Principal> = {}): Principal {
  return {
    subject: "alice",
    principalId: "alice",
    org: "acme",
    roles: new Set(["tester"]),
    scopes: new Set(),
    issuer: "https://issuer.test",
    audience: ["https://service.test"],
    kid: "test-key-1",
    expiresAtMs: Date.now() + 300_000,
    claims: {},
    ...overrides,
  };
}
