// Enqueues jobs into the data directory named by the first argument and prints the id of each once it is acknowledged.
import { openDatabase } from "../../src/app/database/open-database.js";
import { createJobs } from "../../src/app/jobs/jobs.js";
import { caller, jobRequest } from "./jobs-fixture.js";

const [dataDir = ""] = process.argv.slice(2);
const jobs = await createJobs({ database: await openDatabase({ dataDir }) });
for (;;) {
  const { id } = await jobs.enqueue(caller("crash"), jobRequest());
  process.stdout.write(`${id}\n`);
}
