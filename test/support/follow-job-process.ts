// A process that does nothing but follow a job, of a server that is away at first. Prints what became of the job.
import { JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { followJob } from "../../src/app/cli/follow-job.js";
import { away, connectJobClients } from "./job-clients.js";

let streams = 0;
const connection = connectJobClients({
  events: {
    async *streamJobEvents() {
      if (++streams === 1) throw away();
      yield { item: { case: "endedJob", value: { state: JobState.COMPLETED } } };
    },
  },
});
const { signal } = new AbortController();
const job = await followJob({ connection, jobId: "1", afterSequence: 0n, onEvent() {}, signal });
console.log(JobState[job.state]);
