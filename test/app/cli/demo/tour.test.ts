import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { createCliContext } from "../../../../src/app/cli/cli-context.js";
import { check, createTour } from "../../../../src/app/cli/demo/tour.js";
import { createTextSink } from "../../../support/cli.js";

function setUp() {
  const stdout = createTextSink();
  const signals = new EventEmitter();
  const io = {
    stdout,
    stderr: createTextSink(),
    on: (name: string, listener: () => void) => signals.on(name, listener),
    off: (name: string, listener: () => void) => signals.off(name, listener),
  };
  const controller = new AbortController();
  return { tour: createTour(createCliContext({}, io), controller.signal), stdout, controller };
}

describe("createTour()", () => {
  it("counts the steps that passed, and prints what each showed", async () => {
    const { tour, stdout } = setUp();
    await tour.step("First", async () => "seen");
    await tour.step("Second", async () => "seen too");
    expect(tour.passed).toBe(2);
    expect(stdout.text).toBe("\n1. First\n   ok: seen\n\n2. Second\n   ok: seen too\n");
  });

  it("fails with a step whose claim is not so, and does not count it", async () => {
    const { tour } = setUp();
    const step = tour.step("Lie", async () => {
      check(1 > 2, "one is more than two");
      return "never";
    });
    await expect(step).rejects.toMatchObject({ name: "DemoFailedError", message: "not so: one is more than two" });
    expect(tour.passed).toBe(0);
  });

  it("begins no step once it is interrupted", async () => {
    const { tour, controller } = setUp();
    controller.abort();
    await expect(tour.step("Late", async () => "never")).rejects.toMatchObject({ name: "AbortError" });
  });
});
