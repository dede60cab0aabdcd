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
