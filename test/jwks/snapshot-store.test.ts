import { describe, expect, it } from "vitest";
import { resolveSnapshotOptions, type SnapshotOptions } from "../../src/jwks/snapshot-store.js";

const store = new Map<string, string>();
const options: SnapshotOptions = { store, secret: "x".repeat(32) };

describe("resolveSnapshotOptions()", () => {
  it("fills in the defaults", () => {
    const settings = { store, keyPrefix: "latchkey:jwks:", timeoutMs: 100 };
    expect(resolveSnapshotOptions(options, "options.snapshots")).toEqual(settings);
    const unset: object = { keyPrefix: undefined, timeoutMs: undefined };
    expect(resolveSnapshotOptions({ ...options, ...unset }, "options.snapshots")).toEqual(settings);
    const set = { keyPrefix: "", timeoutMs: 50 };
    expect(resolveSnapshotOptions({ ...options, ...set }, "options.snapshots")).toEqual({ store, ...set });
  });

  it.each<[object, string]>([
    [{ store: undefined }, "options.snapshots.store must have a method get()"],
    [{ store: { get() {}, set() {} } }, "options.snapshots.store must have a method delete()"],
    [{ store: { get() {}, set: "set", delete() {} } }, "options.snapshots.store must have a method set()"],
    [{ keyPrefix: 1 }, "options.snapshots.keyPrefix must be a string, got number"],
    [{ timeout: 50 }, "options.snapshots.timeout is not an option"],
    [{ timeoutMs: "5m" }, "options.snapshots.timeoutMs must be a number, got string"],
  ])("I6: refuses %o", (fields, message) => {
    expect(() => resolveSnapshotOptions({ ...options, ...fields }, "options.snapshots")).toThrow(
      new TypeError(message),
    );
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("I6: refuses a time box of %d ms", (timeoutMs) => {
    expect(() => resolveSnapshotOptions({ ...options, timeoutMs }, "options.snapshots")).toThrow(RangeError);
  });

  it.each([null, undefined, "redis://127.0.0.1"])("I6: refuses %o in their place", (nothing) => {
    expect(() => resolveSnapshotOptions(nothing as unknown as SnapshotOptions, "options.snapshots")).toThrow(TypeError);
  });
});
