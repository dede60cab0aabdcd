import { describe, expect, it } from "vitest";
import { readOAuthSettings } from "../../src/client/oauth-options.js";
import { retryOAuth } from "../../src/client/oauth-retry.js";
import { type TokenSourceCode, TokenSourceError } from "../../src/errors.js";
import { createSkippingClock } from "../support/skipping-clock.js";

async function tries(error: unknown, retries: number): Promise<{ count: number; waits: readonly number[] }> {
  const clock = createSkippingClock([]);
  const settings = readOAuthSettings({ authorizationServer: "https://issuer.example", clock, retries });
  let count = 0;
  const request = async () => {
    count++;
    throw error;
  };
  await expect(retryOAuth(request, settings, new AbortController().signal)).rejects.toBe(error);
  return { count, waits: clock.waits };
}

const failed = (code: TokenSourceCode, retryAfterMs?: number) =>
  new TokenSourceError(code, "failed", retryAfterMs === undefined ? {} : { retryAfterMs });

describe("retryOAuth()", () => {
  it.each([
    [failed("ERR_TOKEN_SOURCE_UNAVAILABLE"), 2, 3],
    [failed("ERR_TOKEN_SOURCE_UNAVAILABLE"), 0, 1],
    [failed("ERR_TOKEN_SOURCE_REFUSED"), 2, 1],
    [failed("ERR_TOKEN_SOURCE_INVALID"), 2, 1],
    [new Error("a fault of ours"), 2, 1],
  ])("after %s with %i retries has asked %i time(s)", async (error, retries, count) => {
    expect((await tries(error, retries)).count).toBe(count);
  });

  it("waits a little longer each time, and no less than is asked for", async () => {
    for (let round = 0; round < 50; round++) {
      const { waits } = await tries(failed("ERR_TOKEN_SOURCE_UNAVAILABLE"), 4);
      expect(waits).toHaveLength(4);
      for (const [index, waitMs] of waits.entries()) expect(waitMs).toBeLessThanOrEqual(250 * 2 ** index);
    }
    const { waits } = await tries(failed("ERR_TOKEN_SOURCE_UNAVAILABLE", 6_000), 2);
    expect(new Set(waits).size).toBe(2);
    for (const waitMs of waits) {
      expect(waitMs).toBeGreaterThanOrEqual(6_000);
      expect(waitMs).toBeLessThan(6_500);
    }
  });
});
