import { describe, expect, it } from "vitest";
import { createLazyAbort } from "../../src/lib/lazy-abort.js";

describe("createLazyAbort()", () => {
  it("makes its signal when somebody looks at it, once", () => {
    const abort = createLazyAbort();
    expect(abort.isTaken).toBe(false);
    const { signal } = abort.options;
    expect(abort.isTaken).toBe(true);
    expect(abort.options.signal).toBe(signal);
    abort.take().abort("late");
    expect(signal.reason).toBe("late");
  });

  it("aborts a signal that is looked at later", () => {
    const abort = createLazyAbort();
    abort.take().abort("late");
    expect(abort.isTaken).toBe(true);
    expect(abort.options.signal.aborted).toBe(true);
  });
});
