import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A script that runs in a process of its own. */
export interface ChildScript extends AsyncDisposable {
  readonly pid: number;
  /** Gives the next line the script prints; rejects when it ends without one. */
  nextLine(): Promise<string>;
  /** Ends it like a power cut would end the process: by SIGKILL. Waits for its end. */
  kill(): Promise<void>;
}

const NODE = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));
const IMPORTS = new URL("./typescript-imports.mjs", import.meta.url).href;

/** Starts a TypeScript file of `test/support` on the Node that the project pins; it is killed on disposal. */
export function startChildScript(file: string, args: readonly string[]): ChildScript {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child: ChildProcess = spawn(NODE, ["--import", IMPORTS, path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { pid, stdout } = child;
  if (pid === undefined || stdout === null) throw new Error(`${file} could not be started`);
  const exited = once(child, "exit");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return {
    pid,
    async nextLine() {
      const line = await lines.next();
      if (line.done === true) throw new Error(`${file} ended`);
      return line.value;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
