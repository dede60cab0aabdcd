import { describe, expect, it } from "vitest";
import { backoffMs, toSourceFailure } from "../../src/client/refresh-backoff.js";
import { CredentialError, TokenRejectedError, TokenSourceError } from "../../src/errors.js";

const unavailable = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "down");

describe("backoffMs()", () => {
  it("doubles from 1 s to 30 s", () => {
    const waits = [1, 2, 3, 4, 5, 6, 60, 2_000].map((failures) => backoffMs(unavailable, failures, () => 1));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it("takes off up to half at random", () => {
    expect(backoffMs(unavailable, 1, () => 0)).toBe(500);
  });

  it.each(["ERR_TOKEN_SOURCE_REFUSED", "ERR_TOKEN_SOURCE_INVALID"] as const)(
    "K8: cools down for 30 s after %s",
    (code) => {
      expect(backoffMs(new TokenSourceError(code, "no"), 1, () => 0)).toBe(30_000);
    },
  );

  it.each([
    ["longer than its own wait", "ERR_TOKEN_SOURCE_UNAVAILABLE", 5_000, 5_000],
    ["shorter than its own wait", "ERR_TOKEN_SOURCE_UNAVAILABLE", 10, 1_000],
    ["longer than the cool-down", "ERR_TOKEN_SOURCE_REFUSED", 60_000, 60_000],
    ["shorter than the cool-down", "ERR_TOKEN_SOURCE_REFUSED", 1_000, 30_000],
    ["for good", "ERR_TOKEN_SOURCE_UNAVAILABLE", Number.POSITIVE_INFINITY, 3_600_000],
    ["for a day", "ERR_TOKEN_SOURCE_UNAVAILABLE", 86_400_000, 3_600_000],
    ["for no number", "ERR_TOKEN_SOURCE_UNAVAILABLE", Number.NaN, 1_000],
    ["for less than nothing", "ERR_TOKEN_SOURCE_UNAVAILABLE", -5, 1_000],
  ] as const)("K8: waits as long as the source asks, within an hour: %s", (_, code, retryAfterMs, expectedMs) => {
    expect(backoffMs(new TokenSourceError(code, "wait", { retryAfterMs }), 1, () => 1)).toBe(expectedMs);
  });
});

describe("toSourceFailure()", () => {
  it("keeps errors about the source and its key", () => {
    const credential = new CredentialError("ERR_KEY_INVALID", "damaged");
    expect(toSourceFailure(unavailable)).toBe(unavailable);
    expect(toSourceFailure(credential)).toBe(credential);
  });

  it.each([new TypeError("fetch failed"), new TokenRejectedError("ERR_TOKEN_EXPIRED", "old"), "text", undefined])(
    "takes %s for a fault that may pass, and keeps it as cause alone",
    (cause) => {
      const error = toSourceFailure(cause);
      expect(error).toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE", message: "The token source failed" });
      expect(error.cause).toBe(cause);
    },
  );
});
