import type { Mutant } from "./mutant.ts";

const CLAIMS = "test/token/claims.test.ts";
const CHECK_TOKEN = "test/verify/check-token.test.ts";
const TIME_CHECK = 'if (typeof seconds !== "number" || !Number.isFinite(seconds)) {';
const NUMBER_CHECK = 'if (typeof value !== "number") throw';
const FINITE_CHECK = "if (!Number.isFinite(value)) throw";

/** Time claims. */
export const mutantsD: readonly Mutant[] = [
  {
    id: "D1",
    file: "src/token/claims.ts",
    find: 'if (expiresAtMs === undefined) throw new TokenRejectedError("ERR_TOKEN_CLAIMS", \'The token has no "exp"\');',
    replace: "if (expiresAtMs === undefined) return { expiresAtMs: Number.POSITIVE_INFINITY, notBeforeMs: -Infinity };",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D2",
    file: "src/token/claims.ts",
    find: TIME_CHECK,
    replace: `if (typeof seconds !== "number") return undefined;\n  if (!Number.isFinite(seconds)) {`,
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D2",
    file: "src/token/claims.ts",
    find: "const seconds = claims[name];",
    replace: "const seconds = Number(claims[name]);",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D3",
    file: "src/token/claims.ts",
    find: TIME_CHECK,
    replace: 'if (typeof seconds !== "number") {',
    tests: [CLAIMS],
  },
  {
    id: "D3",
    file: "src/token/claims.ts",
    find: "if (expiresAtMs - (issuedAtMs ?? limits.nowMs) > limits.maxLifetimeMs) {",
    replace: "if (false) {",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D3",
    file: "src/token/claims.ts",
    find: "if (expiresAtMs - (issuedAtMs ?? limits.nowMs) > limits.maxLifetimeMs) {",
    replace: "if (expiresAtMs - (issuedAtMs ?? expiresAtMs) > limits.maxLifetimeMs) {",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D4",
    file: "src/token/claims.ts",
    find: "limits.nowMs >= window.expiresAtMs + limits.toleranceMs",
    replace: "limits.nowMs >= window.expiresAtMs + 2 * limits.toleranceMs",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D4",
    file: "src/token/claims.ts",
    find: "limits.nowMs < window.notBeforeMs - limits.toleranceMs",
    replace: "limits.nowMs < window.notBeforeMs - 2 * limits.toleranceMs",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D4",
    file: "src/verify/cold-verification.ts",
    find: "assertInWindow(window, { nowMs: clock.nowMs(), toleranceMs });",
    replace: "",
    tests: [CHECK_TOKEN],
  },
  {
    id: "D5",
    file: "src/token/claims.ts",
    find: ", issuedAtMs ?? -Infinity)",
    replace: ")",
    tests: [CLAIMS, CHECK_TOKEN],
  },
  {
    id: "D6",
    file: "src/lib/options.ts",
    find: NUMBER_CHECK,
    replace: "if (false) throw",
    tests: ["test/lib/options.test.ts"],
  },
  {
    id: "D6",
    file: "src/lib/options.ts",
    find: FINITE_CHECK,
    replace: "if (false) throw",
    tests: ["test/lib/options.test.ts"],
  },
  {
    id: "D7",
    file: "src/client/held-token.ts",
    find: " && clock.monotonicMs() < held.endsAtMs",
    replace: "",
    tests: ["test/client/held-token.test.ts"],
  },
];
