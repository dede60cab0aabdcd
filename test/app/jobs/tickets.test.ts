import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../../src/app/database/database.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { createTickets, type Tickets } from "../../../src/app/jobs/tickets.js";

describe("createTickets()", () => {
  let root: string;
  let database: Database;
  let tickets: Tickets;
  const failures: unknown[] = [];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-tickets-"));
    database = await openDatabase({ dataDir: join(root, "data") });
    tickets = await createTickets(database, (error) => void failures.push(error));
  });
  afterAll(async () => {
    await tickets.close();
    await database.close();
    await rm(root, { recursive: true, force: true });
    expect(failures).toEqual([]);
  });

  async function issue(org: string, queue: string, options?: { first?: boolean; delayMs?: number }): Promise<string> {
    await tickets.ensureQueue(org, queue);
    const jobId = randomUUID();
    await database.transaction((transaction) => tickets.issue(transaction, { org, queue, jobId }, options));
    return jobId;
  }
  const take = async (org: string, queue: string): Promise<string | undefined> =>
    (await database.transaction((transaction) => tickets.take(transaction, org, queue)))?.jobId;
  const stored = async (): Promise<number> => (await database.query("SELECT 1 FROM latchkey_boss.job")).rows.length;

  it("hands out each ticket once, in the order of issue, those to be first before all others", async () => {
    const [one, two] = [await issue("order", "q"), await issue("order", "q")];
    const first = await issue("order", "q", { first: true });
    const three = await issue("order", "q");
    const taken = [];
    for (let count = 0; count < 5; count++) taken.push(await take("order", "q"));
    expect(taken).toEqual([first, one, two, three, undefined]);
  });

  it("holds a ticket back until it is due", async () => {
    const late = await issue("delay", "q", { delayMs: 3_600_000 });
    const now = await issue("delay", "q");
    expect([await take("delay", "q"), await take("delay", "q")]).toEqual([now, undefined]);
    await database.query("UPDATE latchkey_boss.job SET start_after = now() WHERE name = 'delay/q'");
    expect(await take("delay", "q")).toBe(late);
  });

  it("takes and issues as part of the transaction: rolled back, nothing has happened", async () => {
    const jobId = await issue("rollback", "q");
    const undone = database.transaction(async (transaction) => {
      expect((await tickets.take(transaction, "rollback", "q"))?.jobId).toBe(jobId);
      await tickets.issue(transaction, { org: "rollback", queue: "q", jobId: randomUUID() });
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
    expect([await take("rollback", "q"), await take("rollback", "q")]).toEqual([jobId, undefined]);
  });

  it("leaves nothing behind of a ticket that was taken or thrown away", async () => {
    const before = await stored();
    await issue("traces", "q");
    await take("traces", "q");
    await tickets.ensureQueue("traces", "q");
    const id = await database.transaction((transaction) =>
      tickets.issue(transaction, { org: "traces", queue: "q", jobId: randomUUID() }),
    );
    await tickets.discard("traces", "q", id);
    await tickets.discard("traces", "q", id);
    expect(await take("traces", "q")).toBeUndefined();
    expect(await stored()).toBe(before);
  });

  it("M1: throws no ticket of another organisation away", async () => {
    await tickets.ensureQueue("owner", "q");
    await tickets.ensureQueue("thief", "q");
    const id = await database.transaction((transaction) =>
      tickets.issue(transaction, { org: "owner", queue: "q", jobId: randomUUID() }),
    );
    await tickets.discard("thief", "q", id);
    expect(await take("owner", "q")).toBeDefined();
  });

  it("M1: keeps queues apart by organisation, name and case, whatever names there may be", async () => {
    const longest = "x".repeat(64);
    const names = ["a", "A", "a.b", "..", "-", "_", longest].flatMap((org) =>
      ["q", "Q", ".", longest].map((q) => [org, q]),
    );
    const issued = new Map<string, string>();
    for (const [org = "", queue = ""] of names) issued.set(`${org}/${queue}`, await issue(org, queue));
    for (const [org = "", queue = ""] of names.toReversed()) {
      expect(await take(org, queue), `${org}/${queue}`).toBe(issued.get(`${org}/${queue}`));
      expect(await take(org, queue)).toBeUndefined();
    }
  });

  it("fails rather than lose a job when its queue was never made", async () => {
    const lost = database.transaction((transaction) =>
      tickets.issue(transaction, { org: "acme", queue: "never-made", jobId: randomUUID() }),
    );
    await expect(lost).rejects.toThrow();
    expect((await database.query("SELECT 1 AS alive")).rows).toEqual([{ alive: 1 }]);
  });

  it("ends without closing the database, and begins again where it stopped", async () => {
    const jobId = await issue("again", "q");
    await tickets.close();
    expect((await database.query("SELECT 1 AS alive")).rows).toEqual([{ alive: 1 }]);
    tickets = await createTickets(database, (error) => void failures.push(error));
    expect(await take("again", "q")).toBe(jobId);
  });
});
