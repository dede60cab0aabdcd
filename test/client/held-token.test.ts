import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holdToken, isUsable } from "../../src/client/held-token.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Token } from "../../src/token/token.js";

const HOUR = 3_600_000;
const MARGIN = 30_000;
const noJitter = (): number => 0;
const fullJitter = (): number => 1;

function hold(
  token: Partial<Token>,
  random = noJitter,
  marginMs = MARGIN,
): { readonly refreshInMs: number; readonly endsInMs: number } {
  const clock = createManualClock(1_000_000_000_000);
  const held = holdToken({ value: "t", expiresAtMs: clock.nowMs() + HOUR, ...token }, clock, random, marginMs);
  return { refreshInMs: held.refreshAtMs - clock.monotonicMs(), endsInMs: held.endsAtMs - clock.monotonicMs() };
}

const NOW = 1_000_000_000_000;

describe("holdToken()", () => {
  it("K5: is due for refresh after 80 % of its life, up to a tenth of that earlier", () => {
    expect(hold({ issuedAtMs: NOW }).refreshInMs).toBeCloseTo(0.8 * HOUR);
    expect(hold({ issuedAtMs: NOW }, fullJitter).refreshInMs).toBeCloseTo(0.72 * HOUR);
  });

  it("K5: is due 30 s before it expires when that comes first", () => {
    expect(hold({ expiresAtMs: NOW + 100_000 }).refreshInMs).toBe(70_000);
  });

  it("K5: is due by another margin when it was told one", () => {
    expect(hold({ expiresAtMs: NOW + 100_000 }, noJitter, 45_000).refreshInMs).toBe(55_000);
    expect(hold({ expiresAtMs: NOW + 100_000 }, noJitter, 90_000).refreshInMs).toBe(50_000);
  });

  it("K6: is not due within a second, however short its life", () => {
    expect(hold({ expiresAtMs: NOW + 1_200 }).refreshInMs).toBe(1_000);
    expect(hold({ expiresAtMs: NOW + 1 }).refreshInMs).toBe(1_000);
  });

  it("K5: is never due before half of its life", () => {
    expect(hold({ expiresAtMs: NOW + 40_000 }).refreshInMs).toBe(20_000);
    expect(hold({ expiresAtMs: NOW + 2_000 }).refreshInMs).toBe(1_000);
  });

  it("counts its life from the time of issue", () => {
    expect(hold({ issuedAtMs: NOW - HOUR }).refreshInMs).toBeCloseTo(0.6 * HOUR);
  });

  it("takes a time of issue in the future for now", () => {
    expect(hold({ issuedAtMs: NOW + HOUR }).refreshInMs).toBeCloseTo(0.8 * HOUR);
  });

  it("asks again after half of the rest, and not at once, for a token that is due already", () => {
    expect(hold({ issuedAtMs: NOW - 99 * HOUR }).refreshInMs).toBe(HOUR / 2);
    expect(hold({ issuedAtMs: NOW - HOUR, expiresAtMs: NOW + 100 }).refreshInMs).toBe(1_000);
  });

  it("K6: asks again within a day for a token that never expires", () => {
    const { refreshInMs, endsInMs } = hold({ expiresAtMs: Number.POSITIVE_INFINITY });
    expect(refreshInMs).toBeCloseTo(0.8 * 24 * HOUR);
    expect(endsInMs).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ["no text", { value: 7 }],
    ["empty", { value: "" }],
    ["a line break", { value: "abc\r\nx-evil: 1" }],
    ["a space", { value: "two words" }],
    ["no expiry", { expiresAtMs: undefined }],
    ["an expiry as text", { expiresAtMs: "soon" }],
    ["NaN", { expiresAtMs: Number.NaN }],
  ])("K7: refuses a token with %s, without showing it", (_, token) => {
    const error = catchError(() => hold(token as Partial<Token>));
    expect(error).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(String(error)).not.toMatch(/evil|words|soon/);
  });

  it.each([0, -1, Number.NEGATIVE_INFINITY])("K6: refuses a token that expires in %d ms", (ms) => {
    expect(() => hold({ expiresAtMs: NOW + ms })).toThrow(
      expect.objectContaining({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" }),
    );
  });

  it("never puts the refresh before half of the life, nor behind its end, for any token that lives 60 s and more", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 60_000, max: 24 * HOUR, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lifeMs, random) => {
          const { refreshInMs } = hold({ expiresAtMs: NOW + lifeMs, issuedAtMs: NOW }, () => random);
          expect(refreshInMs).toBeGreaterThanOrEqual(lifeMs * 0.5 - 1);
          expect(refreshInMs).toBeLessThanOrEqual(lifeMs - MARGIN + 1);
        },
      ),
    );
  });

  it("is a frozen copy", () => {
    const clock = createManualClock();
    const token = { value: "t", expiresAtMs: clock.nowMs() + HOUR };
    const held = holdToken(token, clock, noJitter, MARGIN);
    token.value = "other";
    expect(held.token.value).toBe("t");
    expect(held.token).toSatisfy(Object.isFrozen);
  });
});

describe("isUsable()", () => {
  it("ends with the expiry on the wall clock", () => {
    const clock = createManualClock();
    const held = holdToken({ value: "t", expiresAtMs: clock.nowMs() + HOUR }, clock, noJitter, MARGIN);
    clock.setWallClock(clock.nowMs() + HOUR - 1);
    expect(isUsable(held, clock)).toBe(true);
    clock.setWallClock(clock.nowMs() + 1);
    expect(isUsable(held, clock)).toBe(false);
  });

  it("D7: ends after the same time when the wall clock was put back", async () => {
    const clock = createManualClock();
    const held = holdToken({ value: "t", expiresAtMs: clock.nowMs() + HOUR }, clock, noJitter, MARGIN);
    await clock.advance(HOUR - 1);
    clock.setWallClock(clock.nowMs() - HOUR);
    expect(isUsable(held, clock)).toBe(true);
    await clock.advance(1);
    expect(isUsable(held, clock)).toBe(false);
  });
});

function catchError(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
