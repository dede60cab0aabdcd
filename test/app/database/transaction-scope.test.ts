import type { Db } from "pg-boss";
import { describe, expect, it } from "vitest";
import { createTransactionScope } from "../../../src/app/database/transaction-scope.js";

const connection = (): Db => ({ executeSql: async () => ({ rows: [] }) });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("createTransactionScope()", () => {
  it("knows the transaction throughout the work, also after a wait, and none outside of it", async () => {
    const scope = createTransactionScope();
    const db = connection();
    expect(scope.current()).toBeUndefined();
    const result = await scope.run(db, async () => {
      expect(scope.current()).toBe(db);
      await turn();
      expect(scope.current()).toBe(db);
      return 7;
    });
    expect(result).toBe(7);
    expect(scope.current()).toBeUndefined();
  });

  it("keeps transactions under way at the same time apart", async () => {
    const scope = createTransactionScope();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const db = connection();
        return scope.run(db, async () => {
          for (let wait = 0; wait < index % 5; wait++) await turn();
          expect(scope.current()).toBe(db);
        });
      }),
    );
  });

  it("gives a connection to nothing that goes on after its transaction ended, by success or failure", async () => {
    const scope = createTransactionScope();
    for (const end of [async () => {}, () => Promise.reject(new Error("rolled back"))]) {
      let seenLater: Promise<Db | undefined> | undefined;
      const gate = Promise.withResolvers<void>();
      const work = async (): Promise<void> => {
        seenLater = gate.promise.then(() => scope.current());
        await end();
      };
      await scope.run(connection(), work).catch(() => {});
      gate.resolve();
      expect(await seenLater).toBeUndefined();
    }
  });

  it("is that of one database", async () => {
    const [one, other] = [createTransactionScope(), createTransactionScope()];
    await one.run(connection(), async () => {
      expect(other.current()).toBeUndefined();
      const db = connection();
      await other.run(db, async () => expect([other.current(), one.current() === db]).toEqual([db, false]));
    });
  });
});
