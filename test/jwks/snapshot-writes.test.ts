import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSnapshotWrites, type SnapshotWrite } from "../../src/jwks/snapshot-writes.js";

/** A write that is given up on or made, and settled, when the test says so. */
function scripted(log: string[], name: string) {
  const outcome = Promise.withResolvers<string>();
  const settled = Promise.withResolvers<void>();
  const write: SnapshotWrite<string> = async () => {
    log.push(name);
    const told = await outcome.promise;
    return { outcome: told, settled: told === "given up" ? settled.promise : undefined };
  };
  return { write, outcome, settled };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("createSnapshotWrites()", () => {
  it("makes a write at once, and tells its outcome before it has settled", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const one = scripted(log, "one");
    const done = writes.submit("key", one.write);
    one.outcome.resolve("given up");
    expect(await done).toBe("given up");
    expect(log).toEqual(["one"]);
  });

  it("makes the next write of a key when the one before has settled, though that was given up on", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const [set, remove] = [scripted(log, "set"), scripted(log, "delete")];
    const first = writes.submit("key", set.write);
    const second = writes.submit("key", remove.write);
    set.outcome.resolve("given up");
    await first;
    await turn();
    expect(log).toEqual(["set"]);
    set.settled.resolve();
    await turn();
    expect(log).toEqual(["set", "delete"]);
    expect(await second).toBe("unmade");
    remove.outcome.resolve("done");
  });

  it("keeps nobody waiting for a write that was given up on, and makes the last one all the same", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const [stuck, ...others] = ["stuck", "two", "three"].map((name) => scripted(log, name));
    const first = writes.submit("key", stuck?.write ?? expect.unreachable());
    stuck?.outcome.resolve("given up");
    expect(await first).toBe("given up");
    await turn();
    for (const { write } of others) expect(await writes.submit("key", write)).toBe("unmade");
    stuck?.settled.resolve();
    await turn();
    expect(log).toEqual(["stuck", "three"]);
    others[1]?.outcome.resolve("done");
    await turn();
    const after = scripted(log, "after");
    const done = writes.submit("key", after.write);
    after.outcome.resolve("done");
    expect(await done).toBe("done");
  });

  it("makes only the last of those that wait, and tells all of them its outcome", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const steps = ["one", "two", "three", "four"].map((name) => scripted(log, name));
    const done = steps.map(({ write }) => writes.submit("key", write));
    for (const [index, { outcome, settled }] of steps.entries()) {
      outcome.resolve(`outcome ${index}`);
      settled.resolve();
    }
    expect(await Promise.all(done)).toEqual(["outcome 0", "outcome 3", "outcome 3", "outcome 3"]);
    expect(log).toEqual(["one", "four"]);
  });

  it("keeps keys apart", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const hanging = scripted(log, "hanging");
    const other = scripted(log, "other");
    void writes.submit("__proto__", hanging.write);
    const done = writes.submit("constructor", other.write);
    other.outcome.resolve("done");
    expect(await done).toBe("done");
  });

  it("drops what waits when abandoned", async () => {
    const writes = createSnapshotWrites("unmade");
    const log: string[] = [];
    const [underWay, waiting] = [scripted(log, "under way"), scripted(log, "waiting")];
    const first = writes.submit("key", underWay.write);
    const second = writes.submit("key", waiting.write);
    writes.abandon();
    expect(await second).toBe("unmade");
    underWay.outcome.resolve("done");
    underWay.settled.resolve();
    expect(await first).toBe("done");
    await turn();
    expect(log).toEqual(["under way"]);
  });

  it("never has two writes of a key under way, and leaves behind what the last one wrote, whatever is late", async () => {
    const step = fc.record({
      key: fc.constantFrom("a", "b"),
      givenUp: fc.boolean(),
      turns: fc.nat(3),
      pause: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const writes = createSnapshotWrites<void>(undefined);
        const stored = new Map<string, number>();
        const underWay = new Map<string, number>();
        const settling: Promise<void>[] = [];
        const last = new Map<string, number>();
        for (const [index, { key, givenUp, turns, pause }] of steps.entries()) {
          last.set(key, index);
          const land = async (): Promise<void> => {
            for (let count = 0; count < turns; count++) await turn();
            stored.set(key, index);
            underWay.set(key, (underWay.get(key) ?? 0) - 1);
          };
          const done = writes.submit(key, async () => {
            underWay.set(key, (underWay.get(key) ?? 0) + 1);
            expect(underWay.get(key)).toBe(1);
            const settled = land();
            settling.push(settled);
            if (!givenUp) await settled;
            return { outcome: undefined, settled: givenUp ? settled : undefined };
          });
          settling.push(done);
          for (let count = 0; count < pause; count++) await turn();
        }
        // A write that nobody waits for is made in its turn: each takes three at most.
        for (let count = 0; count < 5 * steps.length; count++) await turn();
        for (let count = 0; count < settling.length; count++) await settling[count];
        expect(stored).toEqual(last);
      }),
    );
  });
});
