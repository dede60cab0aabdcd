import { describe, expect, it } from "vitest";
import { assertAudience, assertInWindow, assertTimes, readClaim } from "../../src/token/claims.js";

const NOW_MS = 1_800_000_000_000;
const NOW = NOW_MS / 1_000;
const LIMITS = { nowMs: NOW_MS, toleranceMs: 5_000, maxLifetimeMs: 86_400_000 };
const code = (value: string) => expect.objectContaining({ code: value });

describe("assertTimes()", () => {
  it("gives the window of a good token", () => {
    for (const [claims, notBeforeMs] of [
      [{ nbf: NOW - 1, iat: NOW - 2 }, NOW_MS - 1_000],
      [{ nbf: NOW - 2, iat: NOW - 1 }, NOW_MS - 1_000],
      [{}, -Infinity],
    ] as const) {
      const expected = { expiresAtMs: NOW_MS + 60_000, notBeforeMs };
      expect(assertTimes({ exp: NOW + 60, ...claims }, LIMITS)).toEqual(expected);
    }
  });

  it("D1: refuses a token without exp", () => {
    expect(() => assertTimes({}, LIMITS)).toThrow(code("ERR_TOKEN_CLAIMS"));
    expect(() => assertTimes(Object.create({ exp: NOW + 60 }), LIMITS)).toThrow(code("ERR_TOKEN_CLAIMS"));
  });

  it.each(
    ["exp", "nbf", "iat"].flatMap((name) =>
      [`${NOW + 60}`, null, true, [NOW + 60], {}].map((value) => [name, value] as const),
    ),
  )("D2: refuses %s as %j", (name, value) => {
    expect(() => assertTimes({ exp: NOW + 60, [name]: value }, LIMITS)).toThrow(code("ERR_TOKEN_CLAIMS"));
  });

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])("D3: refuses exp %d", (exp) => {
    expect(() => assertTimes({ exp }, LIMITS)).toThrow(code("ERR_TOKEN_CLAIMS"));
  });

  it("D3: refuses a lifetime over the limit, with and without iat, milliseconds taken for seconds among them", () => {
    expect(() => assertTimes({ exp: NOW + 86_401 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
    expect(() => assertTimes({ exp: NOW + 1, iat: NOW - 86_400 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
    expect(() => assertTimes({ exp: NOW_MS + 60_000 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
    expect(() => assertTimes({ exp: 2 ** 53 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
    expect(() => assertTimes({ exp: 1e306 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
    expect(assertTimes({ exp: NOW + 86_400, iat: NOW }, LIMITS)).toBeDefined();
  });

  it("D3: accepts fractions and refuses negative instants", () => {
    expect(assertTimes({ exp: NOW + 0.5 }, LIMITS).expiresAtMs).toBe(NOW_MS + 500);
    expect(() => assertTimes({ exp: -1 }, LIMITS)).toThrow(code("ERR_TOKEN_EXPIRED"));
    expect(() => assertTimes({ exp: NOW + 60, iat: -1 }, LIMITS)).toThrow(code("ERR_TOKEN_LIFETIME"));
  });

  it("D4: applies the tolerance exactly, on both ends", () => {
    expect(assertTimes({ exp: NOW - 5 + 0.001 }, LIMITS)).toBeDefined();
    expect(() => assertTimes({ exp: NOW - 5 }, LIMITS)).toThrow(code("ERR_TOKEN_EXPIRED"));
    expect(assertTimes({ exp: NOW + 60, nbf: NOW + 5 }, LIMITS)).toBeDefined();
    expect(() => assertTimes({ exp: NOW + 60, nbf: NOW + 5.001 }, LIMITS)).toThrow(code("ERR_TOKEN_NOT_YET_VALID"));
  });

  it("D5: refuses iat beyond the tolerance", () => {
    expect(assertTimes({ exp: NOW + 60, iat: NOW + 5 }, LIMITS)).toBeDefined();
    expect(() => assertTimes({ exp: NOW + 60, iat: NOW + 6 }, LIMITS)).toThrow(code("ERR_TOKEN_NOT_YET_VALID"));
  });
});

describe("assertInWindow()", () => {
  it("J2: refuses once the window has passed", () => {
    const window = { expiresAtMs: NOW_MS, notBeforeMs: -Infinity };
    expect(() => assertInWindow(window, LIMITS)).not.toThrow();
    expect(() => assertInWindow(window, { ...LIMITS, nowMs: NOW_MS + 5_000 })).toThrow(code("ERR_TOKEN_EXPIRED"));
  });
});

describe("assertAudience()", () => {
  const ACCEPTED = new Set(["https://jobs.example", "jobs"]);

  it("accepts one of several audiences, as a string or in an array", () => {
    expect(assertAudience({ aud: "jobs" }, ACCEPTED)).toEqual(["jobs"]);
    expect(assertAudience({ aud: ["other", "https://jobs.example"] }, ACCEPTED)).toEqual([
      "other",
      "https://jobs.example",
    ]);
  });

  it.each([
    undefined,
    "",
    [],
    null,
    7,
    true,
    {},
    { 0: "jobs", length: 1 },
    "job",
    "jobs ",
    "jobss",
    "JOBS",
    "xjobs",
    "https://jobs.example/",
    "https://jobs.example,jobs",
    "*",
    [["jobs"]],
    ["jobs", 7],
    [null],
    ["job"],
  ])("E1: refuses aud %j", (aud) => {
    expect(() => assertAudience(aud === undefined ? {} : { aud }, ACCEPTED)).toThrow(code("ERR_TOKEN_AUDIENCE"));
  });

  it("takes any audience, or none, only where that was asked for, and never a malformed one", () => {
    expect(assertAudience({}, null)).toEqual([]);
    expect(assertAudience({ aud: "other" }, null)).toEqual(["other"]);
    expect(() => assertAudience({ aud: 7 }, null)).toThrow(code("ERR_TOKEN_AUDIENCE"));
  });
});

describe("readClaim()", () => {
  it("B12: reads own members alone", () => {
    expect(readClaim({ sub: "alice" }, "sub")).toBe("alice");
    expect(readClaim({}, "constructor")).toBeUndefined();
    expect(readClaim(JSON.parse('{"__proto__":{"org":"acme"}}'), "org")).toBeUndefined();
  });
});
