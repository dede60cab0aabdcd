import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** What to execute. */
export interface CommandSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** Whole environment of the program. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Directory to start in; undefined: this process's. */
  readonly workingDirectory: string | undefined;
  /** Longest duration; undefined: no limit. */
  readonly timeoutMs: number | undefined;
}

/** Takes output as it comes; while its promise is pending, no more is read from that stream. */
export type OutputSink = (stream: "stdout" | "stderr", data: Uint8Array) => Promise<void>;

/** How a program ended: by itself, or for a reason in words. */
export type CommandOutcome = { readonly exitCode: number } | { readonly error: string };

/** A program that was started, or could not be. */
export interface RunningCommand {
  /** Process id; undefined when the program could not be started. */
  readonly pid: number | undefined;
  /**
   * How it ended, after all its output was taken; not that of processes which have left its group and hold its output
   * open. Never rejects unless the sink does.
   */
  readonly outcome: Promise<CommandOutcome>;
  /** Ends the program and what it started: SIGTERM, and SIGKILL after the grace. The outcome says why. */
  stop(reason: string): void;
  /** Ends the program and what it started at once. */
  kill(reason: string): void;
}

const DEFAULTS = {
  /** From SIGTERM to SIGKILL. */
  killGraceMs: 5_000,
  /** From the exit of the program to SIGKILL for children of its own that hold its output open. */
  leftoverGraceMs: 500,
  /** More than the system holds of what was written to a pipe and not read. */
  maxHeldBytes: 1024 * 1024,
} satisfies Record<string, number>;

/**
 * Starts a program directly, without a shell, in a process group of its own.
 *
 * A program that cannot be started gives an outcome with an error, like one that a signal ended.
 */
export function startCommand(spec: CommandSpec, sink: OutputSink): RunningCommand {
  let child: ChildProcess;
  try {
    child = spawn(spec.command, spec.args, {
      env: spec.environment,
      stdio: ["ignore", "pipe", "pipe"],
      // Own process group: a signal reaches what the program started too, and the terminal's Ctrl-C does not.
      detached: true,
      ...(spec.workingDirectory === undefined ? {} : { cwd: spec.workingDirectory }),
    });
  } catch (error) {
    // A NUL character in an argument, for one.
    return { pid: undefined, outcome: Promise.resolve(startFailure(error)), stop() {}, kill() {} };
  }
  let stopReason: string | undefined;
  const timers = new Set<ReturnType<typeof setTimeout>>();
  // From then on the number of the group may be another one's.
  let groupEnded = false;
  const signalGroup = (signal: "SIGTERM" | "SIGKILL"): void => {
    if (child.pid === undefined || groupEnded) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group is empty already.
    }
  };
  const after = (ms: number, action: () => void): void => {
    timers.add(setTimeout(action, ms));
  };
  const pause = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve));
  const kill = (reason: string): void => {
    stopReason ??= reason;
    signalGroup("SIGKILL");
  };
  const stop = (reason: string): void => {
    if (stopReason !== undefined) return;
    stopReason = reason;
    signalGroup("SIGTERM");
    after(DEFAULTS.killGraceMs, () => signalGroup("SIGKILL"));
  };
  if (spec.timeoutMs !== undefined) {
    const { timeoutMs } = spec;
    after(timeoutMs, () => stop(`timed out after ${timeoutMs / 1_000} s`));
  }
  const progress = { taking: 0, takenBytes: 0 };
  const take: OutputSink = async (stream, data) => {
    progress.taking++;
    await sink(stream, data);
    progress.taking--;
    progress.takenBytes += data.length;
  };
  /** Ends what the program has left in its group, and resolves once all their output was taken. */
  const leftoversEnded = async (): Promise<void> => {
    await pause(DEFAULTS.leftoverGraceMs);
    signalGroup("SIGKILL");
    groupEnded = true;
    const endedAtBytes = progress.takenBytes;
    // A daemon has left the group: it lives on, and its ends of the pipes with it. But a moment at which nothing is
    // there to be taken, or more bytes than the system holds between two processes, tell that the rest is its own.
    while (progress.takenBytes - endedAtBytes <= DEFAULTS.maxHeldBytes) {
      await pause(DEFAULTS.leftoverGraceMs);
      const takenBytes = progress.takenBytes;
      const idle = progress.taking === 0;
      // Past the phase of the event loop in which what has come is read.
      await new Promise((resolve) => setImmediate(resolve));
      if (idle && progress.taking === 0 && progress.takenBytes === takenBytes) return;
    }
  };
  const run = async (): Promise<CommandOutcome> => {
    const exited = once(child, "exit");
    // Both must be listened to from the start: output may come before the exit is awaited, and after it.
    const drained = Promise.all([drain(child.stdout, "stdout", take), drain(child.stderr, "stderr", take)]);
    drained.catch(() => {});
    try {
      const [code, signal] = (await exited) as [number | null, string | null];
      // What is asked of it from now on, while its output is still being taken, comes too late to be why it ended.
      const endedBecause = stopReason;
      await Promise.race([drained, leftoversEnded()]);
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (endedBecause !== undefined) return { error: endedBecause };
      return code === null ? { error: `ended by signal ${signal}` } : { exitCode: code };
    } catch (error) {
      if (child.pid === undefined) return startFailure(error);
      signalGroup("SIGKILL");
      throw error;
    } finally {
      for (const timer of timers) clearTimeout(timer);
    }
  };
  return { pid: child.pid, outcome: run(), stop, kill };
}

async function drain(
  stream: AsyncIterable<Uint8Array> | null,
  name: "stdout" | "stderr",
  sink: OutputSink,
): Promise<void> {
  if (stream === null) return;
  for await (const data of stream) await sink(name, data);
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "no such program or working directory"],
  ["EACCES", "permission denied"],
  ["E2BIG", "arguments and environment are too long"],
  ["ENOTDIR", "the working directory is not a directory"],
]);

function startFailure(error: unknown): CommandOutcome {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  return { error: `cannot start: ${REASONS.get(code) ?? code}` };
}
