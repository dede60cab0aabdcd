import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type CliContext, createCliContext, type Environment } from "../cli-context.js";
import { DemoFailedError } from "./tour.js";

/** What a command left behind. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that goes on in the background. */
export interface BackgroundCommand {
  /** Resolves with the first line of its standard output that matches; rejects when it ends before. */
  line(pattern: RegExp): Promise<string>;
  /** Ends it with SIGTERM; gives its exit code. */
  stop(): Promise<number | null>;
}

/** A home of its own for the demo, in a temporary directory; dispose ends every command and removes it. */
export interface Workspace extends AsyncDisposable {
  /** Directory of the server's database and keys. */
  readonly dataDir: string;
  /** Context of commands that run in this process. */
  readonly context: CliContext;
  /** Says where the server is, for all commands from now on. */
  useServer(url: string): void;
  /** Runs `latchkey` to its end; `onLine` sees each line of its output as it comes. */
  run(args: readonly string[], onLine?: (line: string) => void): Promise<CommandResult>;
  /** The same, and fails unless it exits with 0; gives its standard output. */
  succeed(args: readonly string[]): Promise<string>;
  /** Starts `latchkey` in the background. */
  start(args: readonly string[]): BackgroundCommand;
}

/** From SIGTERM to SIGKILL when the demo is over. */
const STOP_GRACE_MS = 8_000;

/** Creates a workspace; `signal` ends its commands early. */
export async function createWorkspace(outer: CliContext, signal: AbortSignal): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-demo-"));
  const program = fileURLToPath(new URL("../../../bin/latchkey.js", import.meta.url));
  // Settings of the user are for the user's own service.
  const inherited = Object.entries(outer.env).filter(([name]) => !name.startsWith("LATCHKEY_"));
  const env: Record<string, string | undefined> = { ...Object.fromEntries(inherited), LATCHKEY_HOME: directory };
  const children = new Set<ChildProcess>();
  const launch = (args: readonly string[]): ChildProcess => {
    signal.throwIfAborted();
    const child = spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };
  const onAbort = (): void => {
    for (const child of children) child.kill("SIGTERM");
  };
  signal.addEventListener("abort", onAbort, { once: true });

  const run: Workspace["run"] = async (args, onLine) => {
    const child = launch(args);
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    if (onLine !== undefined && child.stdout !== null) createInterface({ input: child.stdout }).on("line", onLine);
    const [exitCode] = (await once(child, "close")) as [number | null];
    signal.throwIfAborted();
    return { exitCode, stdout, stderr };
  };
  return {
    dataDir: join(directory, "data"),
    context: createCliContext(env as Environment, outer.io),
    useServer(url) {
      env["LATCHKEY_SERVER"] = url;
    },
    run,
    async succeed(args) {
      const { exitCode, stdout, stderr } = await run(args);
      if (exitCode !== 0) throw new DemoFailedError(`latchkey ${args[0]} exited with ${exitCode}: ${stderr.trim()}`);
      return stdout.trimEnd();
    },
    start: (args) => createBackgroundCommand(launch(args)),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener("abort", onAbort);
      await Promise.all([...children].map(end));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function createBackgroundCommand(child: ChildProcess): BackgroundCommand {
  const lines: string[] = [];
  let stderr = "";
  let news = Promise.withResolvers<void>();
  const tell = (): void => {
    news.resolve();
    news = Promise.withResolvers();
  };
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4_000);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      tell();
    });
  }
  child.once("close", tell);
  return {
    async line(pattern) {
      for (;;) {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (child.exitCode !== null || child.signalCode !== null) {
          throw new DemoFailedError(`a command ended too early: ${stderr.trim()}`);
        }
        await news.promise;
      }
    },
    stop: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await closed;
    clearTimeout(timer);
  }
  return child.exitCode;
}
