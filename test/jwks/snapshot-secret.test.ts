import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { importSnapshotSecret, SNAPSHOT_MAC } from "../../src/jwks/snapshot-secret.js";
import type { SnapshotSecret } from "../../src/jwks/snapshot-store.js";

const FIELD = "options.snapshots.secret";

async function sign(secret: SnapshotSecret): Promise<string> {
  const [key] = await importSnapshotSecret(secret, FIELD);
  return Buffer.from(await crypto.subtle.sign(SNAPSHOT_MAC, key, new Uint8Array(1))).toString("hex");
}

describe("importSnapshotSecret()", () => {
  it("makes a key of each secret, in their order, that cannot be exported", async () => {
    const keys = await importSnapshotSecret([randomBytes(32), "x".repeat(32), new Uint8Array(64)], FIELD);
    expect(keys.map(({ extractable, type, usages }) => ({ extractable, type, usages }))).toEqual(
      Array.from({ length: 3 }, () => ({ extractable: false, type: "secret", usages: ["sign", "verify"] })),
    );
    expect(await sign(["x".repeat(32), randomBytes(32)])).toBe(await sign("x".repeat(32)));
  });

  it("reads text as UTF-8", async () => {
    expect(await sign("é".repeat(16))).toBe(await sign(Buffer.from("é".repeat(16))));
  });

  it("keeps nothing of bytes that the caller overwrites", async () => {
    const bytes = randomBytes(32);
    const before = sign(Uint8Array.from(bytes));
    const after = sign(bytes);
    bytes.fill(0);
    expect(await after).toBe(await before);
  });

  it("I6: refuses what is too short to be a secret, naming the field and not the value", () => {
    expect(() => importSnapshotSecret("s3cret", FIELD)).toThrow(
      new RangeError("options.snapshots.secret must have at least 32 bytes, got 6"),
    );
    expect(() => importSnapshotSecret(["x".repeat(32), randomBytes(31)], FIELD)).toThrow(
      new RangeError("options.snapshots.secret[1] must have at least 32 bytes, got 31"),
    );
    expect(() => importSnapshotSecret("", FIELD)).toThrow(RangeError);
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "options.snapshots.secret must be a string or Uint8Array, got undefined"],
    ["a number", 1, "options.snapshots.secret must be a string or Uint8Array, got number"],
    ["an empty list", [], "options.snapshots.secret must not be empty"],
    ["a list with a hole", [undefined], "options.snapshots.secret[0] must be a string or Uint8Array, got undefined"],
    ["a nested list", [["x"]], "options.snapshots.secret[0] must be a string or Uint8Array, got array"],
  ])("I6: refuses %s", (_, secret, message) => {
    expect(() => importSnapshotSecret(secret as SnapshotSecret, FIELD)).toThrow(new TypeError(message));
  });
});
