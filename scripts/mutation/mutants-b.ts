import type { Mutant } from "./mutant.ts";

const COMPACT_JWS = ["test/token/compact-jws.test.ts"];
const PARAMETERS = 'const REFUSED_PARAMETERS = ["crit", "b64", "zip", "enc"] as const;';
const NO_OBJECT = 'if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;';

/** Parsing. */
export const mutantsB: readonly Mutant[] = [
  {
    id: "B1",
    file: "src/token/compact-jws.ts",
    find: PARAMETERS,
    replace: 'const REFUSED_PARAMETERS = ["crit", "b64", "zip"];',
    tests: COMPACT_JWS,
  },
  {
    id: "B2",
    file: "src/token/compact-jws.ts",
    find: "if (token.length > TOKEN_LIMITS.maxTokenBytes) throw malformed();",
    replace: "",
    tests: COMPACT_JWS,
  },
  {
    id: "B2",
    file: "src/token/compact-jws.ts",
    find: "if (headerEnd > TOKEN_LIMITS.maxHeaderBytes) throw malformed();",
    replace: "",
    tests: COMPACT_JWS,
  },
  {
    id: "B3",
    file: "src/token/compact-jws.ts",
    find: 'const headerEnd = token.indexOf(".");',
    replace: `
      if (token.startsWith("{")) {
        const { protected: header, payload, signature } = JSON.parse(token);
        return parseCompactJws([header, payload, signature].join("."));
      }
      const headerEnd = token.indexOf(".");`,
    tests: COMPACT_JWS,
  },
  {
    id: "B4",
    file: "src/token/compact-jws.ts",
    find: PARAMETERS,
    replace: 'const REFUSED_PARAMETERS = ["b64", "zip", "enc"];',
    tests: COMPACT_JWS,
  },
  {
    id: "B5",
    file: "src/token/compact-jws.ts",
    find: PARAMETERS,
    replace: 'const REFUSED_PARAMETERS = ["crit", "zip", "enc"];',
    tests: COMPACT_JWS,
  },
  {
    id: "B6",
    file: "src/verify/check-token.ts",
    find: "if (settings.tokenType !== null && (typ === undefined || normalizeType(typ) !== settings.tokenType)) {",
    replace: "if (false) {",
    tests: ["test/verify/check-token.test.ts"],
  },
  {
    id: "B6",
    file: "src/verify/check-token.ts",
    find: "(typ === undefined || normalizeType(typ) !== settings.tokenType)",
    replace: "typ !== undefined && normalizeType(typ) !== settings.tokenType",
    tests: ["test/verify/check-token.test.ts"],
  },
  {
    id: "B7",
    file: "src/token/compact-jws.ts",
    find: "if (cty !== undefined && /^(application\\/)?jwt$/i.test(cty)) throw malformed();",
    replace: "",
    tests: [...COMPACT_JWS, "test/verify/check-token.test.ts"],
  },
  {
    id: "B8",
    file: "src/token/strict-json.ts",
    find: NO_OBJECT,
    replace: 'if (typeof value !== "object" || value === null) return undefined;',
    tests: COMPACT_JWS,
  },
  {
    id: "B8",
    file: "src/token/strict-json.ts",
    find: NO_OBJECT,
    replace: "if (Array.isArray(value)) return undefined;",
    tests: COMPACT_JWS,
  },
  {
    id: "B9",
    file: "src/token/strict-json.ts",
    find: "{ fatal: true, ignoreBOM: true }",
    replace: "{ fatal: false, ignoreBOM: true }",
    tests: COMPACT_JWS,
  },
  {
    id: "B9",
    file: "src/token/strict-json.ts",
    find: "{ fatal: true, ignoreBOM: true }",
    replace: "{ fatal: true, ignoreBOM: false }",
    tests: COMPACT_JWS,
  },
  {
    id: "B9",
    file: "src/token/strict-json.ts",
    find: "return value.isWellFormed() ? 0 : Number.NaN;",
    replace: "return 0;",
    tests: COMPACT_JWS,
  },
  {
    id: "B9",
    file: "src/token/strict-json.ts",
    find: "name.isWellFormed() ? 1 : Number.NaN;",
    replace: "1;",
    tests: COMPACT_JWS,
  },
  {
    id: "B9",
    file: "src/token/strict-json.ts",
    find: "return Number.isFinite(value) ? 0 : Number.NaN;",
    replace: "return 0;",
    tests: COMPACT_JWS,
  },
  {
    id: "B10",
    file: "src/token/strict-json.ts",
    find: "if (freeze(value) !== membersWritten) return undefined;",
    replace: "if (Number.isNaN(freeze(value))) return undefined;",
    tests: COMPACT_JWS,
  },
  {
    id: "B11",
    file: "src/token/strict-json.ts",
    find: " || ++depth > MAX_JSON_DEPTH",
    replace: "",
    tests: COMPACT_JWS,
  },
  {
    id: "B12",
    file: "src/token/claims.ts",
    find: "return Object.hasOwn(claims, name) ? claims[name] : undefined;",
    replace: "return claims[name];",
    tests: ["test/token/claims.test.ts"],
  },
  {
    id: "B13",
    file: "src/lib/base64url.ts",
    find: "return buffer === 0 ? bytes : undefined;",
    replace: "return bytes;",
    tests: [...COMPACT_JWS, "test/lib/base64url.test.ts"],
  },
  {
    id: "B13",
    file: "src/lib/base64url.ts",
    find: "if (value === FOREIGN) return undefined;",
    replace: "if (value === FOREIGN) continue;",
    tests: [...COMPACT_JWS, "test/lib/base64url.test.ts"],
  },
];
