import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseReport, type Report } from "./line-reporter.ts";

/** Which tests to run, and for how long. */
export interface TestSelection {
  /** The tree. */
  readonly folder: string;
  /** Its test files. */
  readonly files: readonly string[];
  /** What the full names of the tests match. */
  readonly pattern: RegExp;
  /** Longest time, in milliseconds. */
  readonly timeoutMs: number;
  /** How many files at a time. @defaultValue `1` */
  readonly workers?: number;
  /** Ends the run once a report satisfies it. @defaultValue never */
  readonly until?: (report: Report) => boolean;
}

/** What came of it. */
export interface TestRun {
  /** In the order in which they came; skipped tests are left out. */
  readonly reports: readonly Report[];
  /** Whether the time was up before the run had ended. */
  readonly timedOut: boolean;
  /** The last that vitest had to say, for when it had nothing to report. */
  readonly output: string;
}

/** How long a single test may wait for something that a mutant keeps from happening. */
const TEST_TIMEOUT_MS = 10_000;
const running = new Set<number>();

// A group of its own gets no Ctrl-C from the terminal.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.once("exit", () => {
  for (const group of running) killGroup(group);
});

/** Runs tests in a process of their own. Whatever it started has ended when it resolves, endless loops too. */
export async function runTests(selection: TestSelection): Promise<TestRun> {
  const { folder, files, pattern, timeoutMs, workers = 1, until = () => false } = selection;
  const args = ["run", "--project=unit", "--no-cache", "--no-fsModuleCache", `--maxWorkers=${workers}`];
  args.push(`--testTimeout=${TEST_TIMEOUT_MS}`, "--reporter=./scripts/mutation/line-reporter.ts");
  args.push(`--testNamePattern=${pattern.source}`, ...files);
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  const child = spawn(process.execPath, [vitest, ...args], { cwd: folder, detached: true, stdio: "pipe" });
  const { pid } = child;
  if (pid === undefined) throw new Error("vitest could not be started");
  running.add(pid);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(pid);
  }, timeoutMs);
  const reports: Report[] = [];
  const output: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => output.push(line));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const report = parseReport(line);
    if (report === undefined) output.push(line);
    else if (!("state" in report) || report.state !== "skipped") reports.push(report);
    if (report !== undefined && until(report)) killGroup(pid);
  });
  await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  killGroup(pid);
  running.delete(pid);
  return { reports, timedOut, output: output.slice(-20).join("\n") };
}

function killGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
