import type { Mutant } from "./mutant.ts";

const VERIFIER = "test/verify/verifier.test.ts";
const TOKEN_CACHE = "test/verify/token-cache.test.ts";
const LOOK_UP_SOURCE = "test/verify/look-up-source.test.ts";
const STREAM_GUARD = "test/server/stream-guard.test.ts";

/** Verified-token cache and streams. */
export const mutantsJ: readonly Mutant[] = [
  {
    id: "J1",
    file: "src/verify/token-cache.ts",
    find: 'hash("sha256", token, "binary")',
    replace: 'hash("sha256", token.split(".").toSpliced(1, 1).join("."), "binary")',
    tests: [VERIFIER],
  },
  {
    id: "J1",
    file: "src/verify/token-cache.ts",
    find: 'hash("sha256", token, "binary")',
    replace: 'hash("sha256", token.trim(), "binary")',
    tests: [VERIFIER],
  },
  {
    id: "J2",
    file: "src/verify/verifier.ts",
    find: "nowMs < expiresAtMs + toleranceMs && ",
    replace: "",
    tests: [VERIFIER],
  },
  {
    id: "J2",
    file: "src/verify/verifier.ts",
    find: "nowMs >= notBeforeMs - toleranceMs",
    replace: "true",
    tests: [VERIFIER],
  },
  {
    id: "J2",
    file: "src/server/admission.ts",
    find: "rule.checkCaller(principal);\n    } catch (error) {\n      throw toAnswer(error, call, principal);\n    }\n    return note",
    replace: "    } catch (error) {\n      throw toAnswer(error, call, principal);\n    }\n    return note",
    tests: ["test/server/admission.test.ts"],
  },
  {
    id: "J3",
    file: "src/verify/token-cache.ts",
    find: "entries.size > maxEntries || ",
    replace: "",
    tests: [VERIFIER, TOKEN_CACHE],
  },
  {
    id: "J3",
    file: "src/verify/token-cache.ts",
    find: " || characters > maxCharacters",
    replace: "",
    tests: [TOKEN_CACHE],
  },
  {
    id: "J4",
    file: "src/verify/jwks-source.ts",
    find: "jwks.peekKey({ kid, alg }) === handle",
    replace: "true",
    tests: [VERIFIER],
  },
  {
    id: "J4",
    file: "src/verify/look-up-source.ts",
    find: "peek(kid) === handle",
    replace: "true",
    tests: [LOOK_UP_SOURCE],
  },
  {
    id: "J4",
    file: "src/verify/look-up-source.ts",
    find: "if (askedIn === generation) remember(kid, answer);",
    replace: "remember(kid, answer);",
    tests: [LOOK_UP_SOURCE],
  },
  {
    id: "J4",
    file: "src/verify/cold-verification.ts",
    find: "const flight = ",
    replace: "const flight = digest || ",
    tests: ["test/verify/jwks-source.test.ts", LOOK_UP_SOURCE],
  },
  {
    id: "J5",
    file: "src/jwks/key-set-refresher.ts",
    find: "if (nowMs < forcedAllowedAtMs && !forcedFailed) return;",
    replace: "if (forcedAllowedAtMs > 0 && !forcedFailed) return;",
    tests: ["test/jwks/jwks.test.ts"],
  },
  {
    id: "J5",
    file: "src/verify/look-up-source.ts",
    find: "answer !== undefined && clock.monotonicMs() < answer.askedAtMs + maxAgeMs ? answer : undefined",
    replace: "answer?.found === undefined || clock.monotonicMs() < answer.askedAtMs + maxAgeMs ? answer : undefined",
    tests: [LOOK_UP_SOURCE],
  },
  {
    id: "J5",
    file: "src/verify/cold-verification.ts",
    find: "if (isCurrentKey(key)) throw",
    replace: "throw",
    tests: [VERIFIER],
  },
  {
    id: "J6",
    file: "src/server/stream-guard.ts",
    find: "runIn(endsAtMs - nowMs, () => end(createExpiredError()));",
    replace: "",
    tests: [STREAM_GUARD],
  },
  {
    id: "J6",
    file: "src/server/stream-guard.ts",
    find: "if (!ending.signal.aborted && clock.nowMs() >= endsAtMs) end(createExpiredError());",
    replace: "",
    tests: [STREAM_GUARD],
  },
  {
    id: "J6",
    file: "src/server/stream-guard.ts",
    find: "if (isDeadline(callSignal.reason)) end(callSignal.reason);",
    replace: "",
    tests: [STREAM_GUARD],
  },
  {
    id: "J6",
    file: "src/server/stream-guard.ts",
    find: "for (const timer of timers) timer[Symbol.dispose]();",
    replace: "",
    tests: ["test/server/interceptor.test.ts"],
  },
  {
    id: "J7",
    file: "src/server/interceptor.ts",
    find: "found ?? (await admissions.admit(call));",
    replace: `
      found ?? {
        rule: { method: "", source: "code", policy: {}, isPublic: true, checkCaller() {} },
        principal: undefined,
        token: undefined,
        header: call.header,
      };`,
    tests: ["test/server/interceptor.test.ts"],
  },
];
