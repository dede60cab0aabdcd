import { describe, expect, it } from "vitest";
import { notify } from "../../src/lib/notify.js";

describe("notify()", () => {
  it("calls the listener at once, with the details", () => {
    const heard: unknown[] = [];
    notify((...details) => void heard.push(details), "one", 2);
    expect(heard).toEqual([["one", 2]]);
  });

  it("keeps what a listener throws to itself, at once or later", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    const thrower = (): never => {
      throw new Error("at once");
    };
    expect(() => notify(thrower)).not.toThrow();
    notify(async () => thrower());
    notify(() => new Promise((_, reject) => setImmediate(() => reject(new Error("later")))));
    // Twice: what is rejected in the first round is reported after it.
    for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });
});
