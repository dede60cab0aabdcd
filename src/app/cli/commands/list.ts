import { toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import { type Job, JobSchema, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { CliContext } from "../cli-context.js";
import { type Connection, type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags } from "../flags.js";
import { JOB_HEADINGS, JOB_STATES, toJobRow } from "../job-text.js";
import { parseName, parsePositiveCount } from "../option-values.js";
import { formatTable } from "../table.js";

interface ListFlags extends ConnectionFlags {
  readonly queue?: string;
  readonly state?: string;
  readonly limit: number;
  readonly all?: boolean;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;
/** The most that the server gives at once. */
const LARGEST_PAGE = 200;

/** Adds `latchkey list`. */
export function addListCommand(program: Command, context: CliContext): void {
  const command = program.command("list").description("list the jobs of the organisation, newest first");
  addConnectionFlags(command)
    .addOption(new Option("--queue <name>", "only jobs of this queue").argParser(parseName))
    .addOption(new Option("--state <state>", "only jobs in this state").choices([...JOB_STATES.keys()]))
    .addOption(new Option("--limit <n>", "how many at most").argParser(parsePositiveCount).default(DEFAULT_LIMIT))
    .option("--all", "all of them, whatever the limit")
    .option("--json", "print a JSON array")
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
}

async function list(flags: ListFlags, context: CliContext): Promise<number> {
  using connection = await openConnection(flags, context);
  const { jobs, more } = await explainingFailures(connection, () => readPages(flags, connection));
  if (flags.json === true) {
    context.print(
      JSON.stringify(
        jobs.map((job) => toJson(JobSchema, job)),
        undefined,
        2,
      ),
    );
  } else if (jobs.length === 0) {
    context.note("no jobs");
  } else {
    context.print(formatTable(JOB_HEADINGS, jobs.map(toJobRow)));
  }
  if (more) context.note(`there are more: --limit ${flags.limit * 2}, or --all`);
  return 0;
}

async function readPages(
  flags: ListFlags,
  { jobs, orgId }: Connection,
): Promise<{ readonly jobs: readonly Job[]; readonly more: boolean }> {
  const limit = flags.all === true ? Number.POSITIVE_INFINITY : flags.limit;
  const state = JOB_STATES.get(flags.state ?? "") ?? JobState.UNSPECIFIED;
  const found: Job[] = [];
  let pageToken = "";
  do {
    const pageSize = Math.min(limit - found.length, LARGEST_PAGE);
    const page = await jobs.listJobs({ orgId, queue: flags.queue ?? "", state, pageSize, pageToken });
    found.push(...page.jobs);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < limit);
  return { jobs: found, more: pageToken !== "" };
}
