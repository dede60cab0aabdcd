import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Inside the package, so that its own imports resolve; not `dist`, which others may be using. */
const OUT_DIR = `${ROOT}/temp/binary`;
const NODE = `${ROOT}/node_modules/node/bin/node`;

/** The compiled command line as a process of its own. */
export interface BinaryProcess extends AsyncDisposable {
  readonly pid: number;
  /** Standard output and standard error so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves once standard output matches. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Reads no more of standard error: what the process writes there fails from now on. */
  closeStderr(): void;
  kill(signal: NodeJS.Signals): void;
  /** Waits for the end; a process ended by a signal has the exit code null. */
  ended(): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Compiles the command line as the package ships it. */
export async function buildBinary(): Promise<void> {
  const tsc = `${ROOT}/node_modules/typescript/bin/tsc`;
  await promisify(execFile)(NODE, [tsc, "-p", `${ROOT}/tsconfig.app.json`, "--outDir", OUT_DIR]);
}

/** Starts the compiled command line; it is killed on disposal. */
export function startBinary(args: readonly string[], env: Readonly<Record<string, string>>): BinaryProcess {
  const child: ChildProcess = spawn(NODE, [`${OUT_DIR}/bin/latchkey.js`, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let news = Promise.withResolvers<void>();
  const tell = (): void => {
    news.resolve();
    news = Promise.withResolvers();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    tell();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  child.once("close", tell);
  return {
    pid: child.pid ?? 0,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(stdout);
        if (match !== null) return match;
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${args[0]} ended: ${stderr}`);
        await news.promise;
      }
    },
    closeStderr: () => void child.stderr?.destroy(),
    kill: (signal) => void child.kill(signal),
    async ended() {
      const [exitCode] = await closed;
      return { exitCode, stdout, stderr };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}
