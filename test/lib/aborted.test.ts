import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { aborted } from "../../src/lib/aborted.js";

describe("aborted()", () => {
  it("waits until the signal aborts, whatever the reason, and leaves no listener", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let isOver = false;
    const waiting = aborted(signal).then(() => {
      isOver = true;
    });
    await new Promise(setImmediate);
    expect(isOver).toBe(false);
    controller.abort(new Error("gone"));
    await waiting;
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("does not wait for a signal that has aborted", async () => {
    const signal = AbortSignal.abort();
    await aborted(signal);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});
