import type { Mutant } from "./mutant.ts";

const CHECK_TOKEN = "test/verify/check-token.test.ts";
const DPOP_VERIFIER = "test/verify/dpop-verifier.test.ts";
const TRUST_STORE = "test/verify/trust-store.test.ts";

/** Audience, issuer, replay. */
export const mutantsE: readonly Mutant[] = [
  {
    id: "E1",
    file: "src/token/claims.ts",
    find: " || (accepted !== null && !audience.some((entry) => accepted.has(entry)))",
    replace: "",
    tests: ["test/token/claims.test.ts", CHECK_TOKEN],
  },
  {
    id: "E1",
    file: "src/token/claims.ts",
    find: "!audience.some((entry) => accepted.has(entry))",
    replace: "![...accepted].some((entry) => audience.join().includes(entry))",
    tests: ["test/token/claims.test.ts", CHECK_TOKEN],
  },
  {
    id: "E2",
    file: "src/verify/trust-store.ts",
    find: 'typeof issuer === "string" ? entries.get(issuer) : undefined',
    replace: 'typeof issuer === "string" ? entries.get(new URL(issuer, "x:/").origin) : undefined',
    tests: [TRUST_STORE, CHECK_TOKEN],
  },
  {
    id: "E3",
    file: "src/verify/trust-store.ts",
    find: 'typeof issuer === "string" ? entries.get(issuer) : undefined',
    replace: "entries.get(Array.isArray(issuer) ? issuer.at(-1) : issuer)",
    tests: [TRUST_STORE, CHECK_TOKEN],
  },
  {
    id: "E4",
    file: "src/lib/options.ts",
    find: 'if (typeof value !== "string") throw',
    replace: "if (false) throw",
    tests: [TRUST_STORE],
  },
  {
    id: "E5",
    file: "src/verify/trust-store.ts",
    find: "flights: createSingleFlight() });",
    replace: "flights: entries.values().next().value?.flights ?? createSingleFlight() });",
    tests: [TRUST_STORE],
  },
  {
    id: "E6",
    file: "src/jwks/provider-map.ts",
    find: "get: (tenantId, providerId) => tenants.get(tenantId)?.get(providerId),",
    replace: `
      get(tenantId, providerId) {
        const joined = [...tenants].flatMap(([tenant, providers]) =>
          [...providers].map(([provider, value]) => [tenant + ":" + provider, value] as const),
        );
        return new Map(joined).get(tenantId + ":" + providerId);
      },`,
    tests: ["test/jwks/provider-map.test.ts"],
  },
  {
    id: "E7",
    file: "src/verify/trust-store.ts",
    find: "if (entry === undefined) throw",
    replace:
      "if (entry === undefined) void fetch(String(issuer)).catch(() => {});\n      if (entry === undefined) throw",
    tests: [TRUST_STORE],
  },
  {
    id: "E8",
    file: "src/verify/jwks-source.ts",
    find: "const key = await jwks.getKey({ kid, alg });",
    replace: `
      const key = await jwks.getKey({ kid, alg }).catch(async () => {
        const fallback = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
        return fallback.publicKey;
      });`,
    tests: ["test/verify/verifier.test.ts", "test/server/server-auth.test.ts"],
  },
  {
    id: "E9",
    file: "src/jwks/key-set.ts",
    find: "new Map([...next.keys, ...known])",
    replace: "new Map([...previous.keys, ...next.keys, ...known])",
    tests: ["test/jwks/key-set.test.ts", "test/jwks/held-key-set.test.ts", "test/jwks/jwks.test.ts"],
  },
  {
    id: "E9",
    file: "src/verify/verified-token.ts",
    find: "return entry.source.isCurrent(kid, algorithm, handle);",
    replace: "return true;",
    tests: ["test/verify/verifier.test.ts", "test/verify/look-up-source.test.ts", "test/server/server-auth.test.ts"],
  },
  {
    id: "E10",
    file: "src/verify/memory-replay-store.ts",
    find: "if (known.has(id)) return false;",
    replace: "",
    tests: [DPOP_VERIFIER],
  },
  {
    id: "E10",
    file: "src/verify/memory-replay-store.ts",
    find: " || untilMs > monotonicMs",
    replace: "",
    tests: ["test/verify/memory-replay-store.test.ts"],
  },
  {
    id: "E10",
    file: "src/verify/dpop-verifier.ts",
    find: "await claimProof(digestProof(check.thumbprint, id), expiresAtMs + toleranceMs, signal);",
    replace: "",
    tests: [DPOP_VERIFIER],
  },
  {
    id: "E10",
    file: "src/verify/replay-claim.ts",
    find: "if (isNew !== true) throw unavailable();",
    replace: "",
    tests: ["test/verify/replay-claim.test.ts"],
  },
  {
    id: "E10",
    file: "src/verify/replay-claim.ts",
    find: "throw cause instanceof KeysUnavailableError ? cause : unavailable({ cause });",
    replace: "isNew = true;",
    tests: ["test/verify/replay-claim.test.ts", DPOP_VERIFIER],
  },
  {
    id: "E11",
    file: "src/verify/token-sender.ts",
    find: 'if (scheme !== "DPoP" || dpop === undefined || request === undefined) {',
    replace: 'if (scheme !== "DPoP") return undefined;\n  if (dpop === undefined || request === undefined) {',
    tests: [CHECK_TOKEN],
  },
  {
    id: "E11",
    file: "src/verify/token-sender.ts",
    find: "sender.certificateThumbprint?.() !== certificateThumbprint",
    replace: "false",
    tests: [CHECK_TOKEN],
  },
  {
    id: "E11",
    file: "src/verify/confirmation.ts",
    find: " || names.some((name) => name !== KEY_MEMBER && name !== CERTIFICATE_MEMBER)",
    replace: "",
    tests: ["test/verify/confirmation.test.ts"],
  },
  {
    id: "E11",
    file: "src/verify/dpop-proof.ts",
    find: 'if (readClaim(payload, "htm") !== check.method) throw',
    replace: "if (false) throw",
    tests: [DPOP_VERIFIER],
  },
  {
    id: "E11",
    file: "src/verify/dpop-proof.ts",
    find: "if (target === undefined || target !== normalizeTarget(url)) throw",
    replace: "if (target === undefined) throw",
    tests: [DPOP_VERIFIER],
  },
  {
    id: "E11",
    file: "src/verify/dpop-proof.ts",
    find: 'if (readClaim(payload, "ath") !== hash("sha256", check.token, "base64url")) {',
    replace: "if (false) {",
    tests: [DPOP_VERIFIER, "test/verify/dpop-proof.test.ts"],
  },
  {
    id: "E12",
    file: "src/verify/revocation-check.ts",
    find: "if (answer === true) throw",
    replace: "if (false) throw",
    tests: ["test/verify/revocation-check.test.ts"],
  },
  {
    id: "E12",
    file: "src/verify/revocation-check.ts",
    find: 'if (onUnavailable === "accept") return;',
    replace: "return;",
    tests: ["test/verify/revocation-check.test.ts"],
  },
  {
    id: "E12",
    file: "src/verify/revocation-check.ts",
    find: "if (toleranceMs > REVOCATION_SLACK_MS) {",
    replace: "if (false) {",
    tests: ["test/verify/revocation-check.test.ts", "test/verify/revocation-list.test.ts"],
  },
  {
    id: "E12",
    file: "src/verify/revocation-check.ts",
    find: "const timer = clock.setTimer(() => deadline.abort(LATE), timeoutMs);",
    replace: "const timer = { [Symbol.dispose]() {} };",
    tests: ["test/verify/revocation-check.test.ts"],
  },
  {
    id: "E12",
    file: "src/verify/verifier.ts",
    find: ": admit(token, verified, sender, signal);",
    replace: ": verified.principal;",
    tests: ["test/verify/revocation.test.ts"],
  },
  {
    id: "E12",
    file: "src/server/stream-guard.ts",
    find: "    scheduleRecheck();\n  }\n  return {",
    replace: "  }\n  return {",
    tests: ["test/server/stream-guard.test.ts"],
  },
];
