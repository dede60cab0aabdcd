import type { CliContext } from "../cli-context.js";
import { check, type Tour } from "./tour.js";
import type { Workspace } from "./workspace.js";

/** Submits three real commands, watches them run, and lists them. Gives the id of the first. */
export async function showJobs(tour: Tour, workspace: Workspace, context: CliContext): Promise<string> {
  const submit = (...command: readonly string[]): readonly string[] => [
    ...["submit", "--credential", "alice", "--wait", "--", process.execPath],
    ...command,
  ];
  await tour.step("A command, submitted and executed by the worker", async () => {
    const { exitCode, stdout } = await workspace.run(submit("--version"));
    check(exitCode === 0 && stdout.trim() === process.version, "the job prints the version of Node and exits with 0");
    return `node --version printed ${stdout.trim()}, exit code 0`;
  });
  await tour.step("Output of a longer command, live", async () => {
    const script =
      "let n = 0; const t = setInterval(() => { console.log('line', ++n); if (n === 4) clearInterval(t); }, 300)";
    const seenAtMs: number[] = [];
    const { exitCode } = await workspace.run(submit("-e", script), (line) => {
      seenAtMs.push(performance.now());
      context.print(`   | ${line}`);
    });
    const spreadMs = (seenAtMs.at(-1) ?? 0) - (seenAtMs[0] ?? 0);
    check(exitCode === 0 && seenAtMs.length === 4, "four lines come, and exit code 0");
    check(spreadMs > 300, "the lines come while the command runs, not all at its end");
    return `four lines within ${Math.round(spreadMs)} ms, as they were written`;
  });
  await tour.step("A command that fails", async () => {
    const script = "console.error('no space left'); process.exit(3)";
    const { exitCode, stdout, stderr } = await workspace.run(submit("-e", script));
    check(exitCode === 3, "submit --wait exits with the exit code of the job");
    check(stdout === "" && stderr.trim() === "no space left", "standard error stays standard error");
    return "exit code 3, and what it wrote to standard error";
  });
  let first = "";
  await tour.step("The jobs, listed by another credential of the organisation", async () => {
    const table = await workspace.succeed(["list", "--credential", "worker-1"]);
    for (const line of table.split("\n")) context.print(`   ${line.replace(process.execPath, "node").slice(0, 110)}`);
    const jobs = JSON.parse(await workspace.succeed(["list", "--credential", "worker-1", "--json"])) as readonly {
      readonly id: string;
      readonly state: string;
    }[];
    const states = jobs.map(({ state }) => state.replace("JOB_STATE_", "").toLowerCase());
    check(states.join() === "failed,completed,completed", "one failed and two completed, newest first");
    first = jobs.at(-1)?.id ?? "";
    return `${jobs.length} jobs: ${states.join(", ")}`;
  });
  await tour.step("The events of a job that has ended, replayed", async () => {
    const { exitCode, stdout } = await workspace.run(["monitor", "--credential", "alice", first]);
    check(exitCode === 0 && stdout.trim() === process.version, "monitor shows the output of the first job again");
    return `monitor printed ${stdout.trim()} again`;
  });
  return first;
}
