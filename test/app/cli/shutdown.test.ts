import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { createShutdown } from "../../../src/app/cli/shutdown.js";
import { createTextSink } from "../../support/cli.js";

describe("createShutdown()", () => {
  function setUp() {
    const signals = new EventEmitter();
    const on = (name: string, listener: () => void): unknown => signals.on(name, listener);
    const off = (name: string, listener: () => void): unknown => signals.off(name, listener);
    const sink = createTextSink();
    return { signals, shutdown: createShutdown({ stdout: sink, stderr: sink, on, off }) };
  }

  it("asks for an orderly end first, then for one at once", () => {
    const { signals, shutdown } = setUp();
    signals.emit("SIGTERM");
    expect([shutdown.orderly.aborted, shutdown.forced.aborted]).toEqual([true, false]);
    signals.emit("SIGINT");
    expect([shutdown.orderly.aborted, shutdown.forced.aborted]).toEqual([true, true]);
  });

  it("leaves no listener behind", () => {
    const { signals, shutdown } = setUp();
    shutdown[Symbol.dispose]();
    expect(signals.eventNames()).toEqual([]);
  });
});
