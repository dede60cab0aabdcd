import { describe, expect, it } from "vitest";
import { createGuardedTelemetry } from "../../src/telemetry/guarded-telemetry.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";

function fail(): never {
  throw new Error("the exporter is broken");
}

describe("createGuardedTelemetry()", () => {
  it("passes everything on as it is", () => {
    const calls: unknown[][] = [];
    const telemetry = createGuardedTelemetry({
      count: (...call) => void calls.push(["count", ...call]),
      record: (...call) => void calls.push(["record", ...call]),
      startSpan: (...call) => {
        calls.push(["start", ...call]);
        return { end: (...call) => void calls.push(["end", ...call]) };
      },
    });
    telemetry.count("a", { kind: "refresh" });
    telemetry.record("b_ms", 7, { tenant: "acme" });
    telemetry.startSpan?.("c", { kind: "forced" }).end("ERR_KEYS_INVALID", { token_length: "7" });
    expect(calls).toEqual([
      ["count", "a", { kind: "refresh" }],
      ["record", "b_ms", 7, { tenant: "acme" }],
      ["start", "c", { kind: "forced" }],
      ["end", "ERR_KEYS_INVALID", { token_length: "7" }],
    ]);
  });

  it("drops what counting, recording and beginning a span throw", () => {
    const telemetry = createGuardedTelemetry({ count: fail, record: fail, startSpan: fail });
    expect(() => telemetry.count("a")).not.toThrow();
    expect(() => telemetry.record("b", 1)).not.toThrow();
    expect(() => telemetry.startSpan?.("c").end("ok")).not.toThrow();
  });

  it("drops what ending a span throws, and does not end it again", () => {
    let ends = 0;
    const telemetry = createGuardedTelemetry({
      count() {},
      record() {},
      startSpan: () => ({
        end() {
          ends++;
          fail();
        },
      }),
    });
    const span = telemetry.startSpan?.("c");
    expect(() => span?.end("ok")).not.toThrow();
    span?.end("ERR_KEYS_INVALID");
    expect(ends).toBe(1);
  });

  it("keeps the object that the methods belong to", () => {
    class Counting implements Telemetry {
      total = 0;
      count(): void {
        this.total++;
      }
      record(): void {
        this.total++;
      }
      startSpan() {
        this.total++;
        return { end: () => void this.total++ };
      }
    }
    const inner = new Counting();
    const telemetry = createGuardedTelemetry(inner);
    telemetry.count("a");
    telemetry.record("b", 1);
    telemetry.startSpan?.("c").end("ok");
    expect(inner.total).toBe(4);
  });

  it("has no spans when there are none behind it", () => {
    expect(createGuardedTelemetry({ count() {}, record() {} }).startSpan).toBeUndefined();
  });
});
