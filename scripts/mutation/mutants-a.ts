import type { Mutant } from "./mutant.ts";

const SIGNATURE = "test/verify/signature.test.ts";

/** Algorithm and key choice. */
export const mutantsA: readonly Mutant[] = [
  {
    id: "A1",
    file: "src/token/algorithms.ts",
    find: "return KNOWN.has(value);",
    replace: 'return typeof value === "string" || Array.isArray(value);',
    tests: ["test/token/algorithms.test.ts"],
  },
  {
    id: "A1",
    file: "src/token/compact-jws.ts",
    find: "if (alg === undefined) throw malformed();",
    replace: 'if (alg === undefined) return { header, alg: "none", kid, typ };',
    tests: ["test/token/compact-jws.test.ts"],
  },
  {
    id: "A1",
    file: "src/verify/check-token.ts",
    find: "if (!settings.algorithms.has(alg)) {",
    replace: "if (false) {",
    tests: [SIGNATURE],
  },
  {
    id: "A2",
    file: "src/verify/check-token.ts",
    find: "if (!settings.algorithms.has(alg)) {",
    replace: 'if (!settings.algorithms.has(alg) && !alg.startsWith("HS")) {',
    tests: [SIGNATURE],
  },
  {
    id: "A2",
    file: "src/verify/signature.ts",
    find: "if (!(await verifyBytes(scheme, key, signature, signed))) throw rejected();",
    replace: "",
    tests: [SIGNATURE],
  },
  {
    id: "A3",
    file: "src/verify/check-token.ts",
    find: "if (!settings.algorithms.has(alg)) {",
    replace: 'if (!settings.algorithms.has(alg) && !alg.startsWith("HS")) {',
    tests: [SIGNATURE],
  },
  {
    id: "A4",
    file: "src/token/algorithms.ts",
    find: "fitting.filter((algorithm) => algorithm === jwk.alg)",
    replace: "fitting",
    tests: ["test/token/algorithms.test.ts", "test/jwks/verification-key.test.ts"],
  },
  {
    id: "A4",
    file: "src/verify/check-token.ts",
    find: "if (!settings.algorithms.has(alg)) {",
    replace: 'if (!settings.algorithms.has(alg) && !settings.algorithms.has("RS256")) {',
    tests: [SIGNATURE],
  },
  {
    id: "A5",
    file: "src/token/algorithms.ts",
    find: 'if (crv === "P-256") return ["ES256"];',
    replace: 'return ["ES256"];',
    tests: ["test/token/algorithms.test.ts"],
  },
  {
    id: "A5",
    file: "src/jwks/verification-key.ts",
    find: "const served = algorithms.find((name) => name === algorithm);",
    replace: "const served = algorithms[0];",
    tests: ["test/verify/static-source.test.ts", SIGNATURE],
  },
  {
    id: "A6",
    file: "src/verify/static-source.ts",
    find: "copy = structuredClone(keys);",
    replace: "copy = keys;",
    tests: ["test/verify/static-source.test.ts", "test/verify/issuer-settings.test.ts"],
  },
  {
    id: "A7",
    file: "src/verify/cold-verification.ts",
    find: "const { key, principal: record, handle } = await source.getKey(kid, jws.alg);",
    replace: `
      const { key: registered, principal: record, handle } = await source.getKey(kid, jws.alg);
      const ES256 = { name: "ECDSA", namedCurve: "P-256" };
      const embedded = jws.header["jwk"];
      const key = embedded ? await crypto.subtle.importKey("jwk", embedded, ES256, false, ["verify"]) : registered;`,
    tests: [SIGNATURE],
  },
  {
    id: "A8",
    file: "src/verify/cold-verification.ts",
    find: "const { key, principal: record, handle } = await source.getKey(kid, jws.alg);",
    replace: `
      await fetch(String(jws.header["jku"])).catch(() => {});
      const { key, principal: record, handle } = await source.getKey(kid, jws.alg);`,
    tests: [SIGNATURE],
  },
  {
    id: "A9",
    file: "src/token/kid.ts",
    find: "&& KID.test(value)",
    replace: "",
    tests: ["test/token/compact-jws.test.ts", "test/jwks/verification-key.test.ts"],
  },
  {
    id: "A9",
    file: "src/token/compact-jws.ts",
    find: "if (kid !== undefined && !isKid(kid)) throw malformed();",
    replace: "",
    tests: ["test/token/compact-jws.test.ts", SIGNATURE],
  },
  {
    id: "A10",
    file: "src/jwks/open-jwks.ts",
    find: 'const key = keySet.keys.get(kid ?? "");',
    replace: 'const key = Object.fromEntries(keySet.keys)[kid ?? ""];',
    tests: [SIGNATURE],
  },
  {
    id: "A10",
    file: "src/verify/trust-store.ts",
    find: 'typeof issuer === "string" ? entries.get(issuer) : undefined',
    replace: 'typeof issuer === "string" ? Object.fromEntries(entries)[issuer] : undefined',
    tests: [SIGNATURE],
  },
  {
    id: "A11",
    file: "src/jwks/open-jwks.ts",
    find: 'if (typeof kid !== "string") throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The token names no key");',
    replace: 'if (typeof kid !== "string") return undefined;',
    tests: ["test/jwks/jwks.test.ts"],
  },
  {
    id: "A11",
    file: "src/verify/check-token.ts",
    find: 'if (kid === undefined) throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The token names no key");',
    replace: 'if (kid === undefined) return { window, audience, kid: "guess", confirmation };',
    tests: [SIGNATURE],
  },
  {
    id: "A12",
    file: "src/jwks/key-set.ts",
    find: "keys.delete(kid);",
    replace: "",
    tests: ["test/jwks/key-set.test.ts", SIGNATURE],
  },
  {
    id: "A13",
    file: "src/jwks/open-jwks.ts",
    find: 'const key = keySet.keys.get(kid ?? "");',
    replace: 'const key = keySet.keys.get(kid ?? "") ?? [...keySet.keys.values()].at(-1);',
    tests: ["test/jwks/jwks.test.ts", SIGNATURE],
  },
  {
    id: "A13",
    file: "src/verify/static-source.ts",
    find: "const found = (await loading).keys.get(kid);",
    replace: "const found = [...(await loading).keys.values()].at(-1);",
    tests: ["test/verify/static-source.test.ts"],
  },
  {
    id: "A14",
    file: "src/jwks/key-hygiene.ts",
    find: 'if (kty === "oct" || has("k")) return "symmetric";',
    replace: "",
    tests: ["test/jwks/key-hygiene.test.ts", "test/jwks/key-set.test.ts"],
  },
  {
    id: "A15",
    file: "src/jwks/key-hygiene.ts",
    find: 'if (PRIVATE_MEMBERS.some(has)) return "private";',
    replace: "",
    tests: ["test/jwks/key-hygiene.test.ts", "test/jwks/key-set.test.ts", SIGNATURE],
  },
  {
    id: "A16",
    file: "src/jwks/key-hygiene.ts",
    find: 'if (has("use") && use !== "sig") return "use";',
    replace: "",
    tests: ["test/jwks/key-hygiene.test.ts", "test/jwks/verification-key.test.ts", SIGNATURE],
  },
  {
    id: "A16",
    file: "src/jwks/key-hygiene.ts",
    find: 'if (has("key_ops") && !(Array.isArray(operations) && operations.includes("verify"))) return "key_ops";',
    replace: "",
    tests: ["test/jwks/key-hygiene.test.ts", "test/jwks/verification-key.test.ts"],
  },
];
