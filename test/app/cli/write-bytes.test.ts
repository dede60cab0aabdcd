import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { writeBytes } from "../../../src/app/cli/write-bytes.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("writeBytes()", () => {
  it("writes bytes that are no text as they are", async () => {
    const stream = new PassThrough();
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
    await writeBytes(stream, bytes);
    expect(new Uint8Array(stream.read() as Buffer)).toEqual(bytes);
  });

  it("waits while the reader is behind, and no longer", async () => {
    const written: (() => void)[] = [];
    const stream = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => void written.push(done) });
    await writeBytes(stream, new Uint8Array(3));
    let over = false;
    const waiting = writeBytes(stream, new Uint8Array(3)).then(() => {
      over = true;
    });
    await turn();
    expect(over).toBe(false);
    for (let taken = written.shift(); taken !== undefined; taken = written.shift()) {
      taken();
      await turn();
    }
    await waiting;
  });

  it("fails when the stream does while it waits, and leaves no listener", async () => {
    const stream = new Writable({ highWaterMark: 1, write() {} });
    const waiting = writeBytes(stream, new Uint8Array(3));
    stream.destroy(new Error("broken pipe"));
    await expect(waiting).rejects.toThrow("broken pipe");
    expect([stream.listenerCount("drain"), stream.listenerCount("error")]).toEqual([0, 0]);
  });
});
