import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { createJobs } from "../../../src/app/jobs/jobs.js";
import { startChildScript } from "../../support/child-script.js";
import { caller, leaseOne } from "../../support/jobs-fixture.js";

describe("a server that is killed", () => {
  it("M7: has lost no job that it acknowledged", async () => {
    const root = await mkdtemp(join(tmpdir(), "latchkey-crash-"));
    const dataDir = join(root, "data");
    const acknowledged = new Set<string>();
    try {
      for (let round = 0; round < 2; round++) {
        await using child = startChildScript("./enqueue-until-killed.ts", [dataDir]);
        const target = acknowledged.size + 100;
        while (acknowledged.size < target) acknowledged.add(await child.nextLine());
        await child.kill();
        // What it had written before it was killed counts as acknowledged too.
        for (;;) {
          const line = await child.nextLine().catch(() => undefined);
          if (line === undefined) break;
          acknowledged.add(line);
        }
      }
      const database = await openDatabase({ dataDir });
      const jobs = await createJobs({ database });
      const { rows } = await database.query<{ id: string }>("SELECT id FROM job WHERE state = 'scheduled'");
      const stored = new Set(rows.map((row) => row.id));
      expect([...acknowledged].filter((id) => !stored.has(id))).toEqual([]);
      // Each has its place in the queue: all can be leased.
      const { rows: tickets } = await database.query("SELECT 1 FROM latchkey_boss.job WHERE state = 'created'");
      expect(tickets).toHaveLength(stored.size);
      expect(stored).toContain((await leaseOne(jobs, caller("crash"))).job.id);
      await jobs[Symbol.asyncDispose]();
      await database.close();
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});
