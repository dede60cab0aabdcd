import { describe, expect, it } from "vitest";
import { createTokenSlot } from "../../src/client/token-slot.js";

describe("createTokenSlot()", () => {
  it("begins without a token, a failure or a rejection, so that nothing delays the first request", () => {
    const slot = createTokenSlot("key", "https://jobs.example");
    expect(slot).toMatchObject({ key: "key", audience: "https://jobs.example", held: undefined, failures: 0 });
    expect([slot.rejected, slot.refreshing]).toEqual([false, false]);
    expect(0 - slot.forcedAtMs).toBe(Number.POSITIVE_INFINITY);
  });
});
