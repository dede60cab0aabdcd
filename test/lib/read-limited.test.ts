import { describe, expect, it } from "vitest";
import { readLimited } from "../../src/lib/read-limited.js";

const never = new AbortController().signal;
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);

/** A body of these chunks; `after` comes in place of its end. */
function bodyOf(chunks: readonly string[], after?: Promise<never>): ReadableStream<Uint8Array> {
  const left = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return new ReadableStream({
    async pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(next);
      else if (after === undefined) controller.close();
      else await after;
    },
  });
}

describe("readLimited()", () => {
  it("gives a body up to the cap, and none that is longer by a byte", async () => {
    expect(text(await readLimited(bodyOf(["ab", "", "cde"]), 5, never))).toBe("abcde");
    expect(await readLimited(bodyOf(["ab", "", "cdef"]), 5, never)).toBeUndefined();
    expect(text(await readLimited(null, 5, never))).toBe("");
    expect(text(await readLimited(bodyOf([]), 5, never))).toBe("");
  });

  it("H12: reads no further than the cap", async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1_000)) });
    expect(await readLimited(endless, 10_000, never)).toBeUndefined();
  });

  it("H11: ends with the signal, and fails as the body does", async () => {
    const leaving = new AbortController();
    const reading = readLimited(bodyOf(["a"], new Promise<never>(() => {})), 5, leaving.signal);
    leaving.abort(new Error("late"));
    await expect(reading).rejects.toThrow("late");
    await expect(readLimited(bodyOf(["a"], Promise.reject(new Error("cut"))), 5, never)).rejects.toThrow("cut");
  });
});
