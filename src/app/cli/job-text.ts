import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Job, type JobResult, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { toTerminalText } from "./terminal-text.js";

/** States by the names that flags and tables use. */
export const JOB_STATES: ReadonlyMap<string, JobState> = new Map([
  ["scheduled", JobState.SCHEDULED],
  ["running", JobState.RUNNING],
  ["completed", JobState.COMPLETED],
  ["failed", JobState.FAILED],
  ["cancelled", JobState.CANCELLED],
]);

/** Gives the name of a state. */
export function formatState(state: JobState): string {
  return [...JOB_STATES].find(([, value]) => value === state)?.[0] ?? "unknown";
}

/** Gives the command of a job on one line, arguments that need it quoted as a shell would have them. */
export function formatCommand({ command, args }: Pick<Job, "command" | "args">): string {
  return [command, ...args].map(quote).join(" ");
}

/** Says how a job ended, such as `completed, exit code 0`. */
export function formatEnding(job: Job): string {
  return `${formatState(job.state)}${formatResult(job.result)}`;
}

/** The cells of a job in a table under {@link JOB_HEADINGS}. */
export function toJobRow(job: Job): readonly string[] {
  const created = job.createdAt === undefined ? "" : timestampDate(job.createdAt).toISOString();
  const exit = job.result?.exitCode === undefined ? "" : String(job.result.exitCode);
  return [job.id, formatState(job.state), exit, job.queue, String(job.attempt), created, formatCommand(job)];
}

/** Headings of the cells of {@link toJobRow}. */
export const JOB_HEADINGS: readonly string[] = ["ID", "STATE", "EXIT", "QUEUE", "ATTEMPT", "CREATED", "COMMAND"];

function formatResult(result: JobResult | undefined): string {
  if (result?.exitCode !== undefined) return `, exit code ${result.exitCode}`;
  return result === undefined || result.error === "" ? "" : `, ${toTerminalText(result.error)}`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
