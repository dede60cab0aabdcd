import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

// Node runs TypeScript as it is, but takes an import of "./x.js" literally.
const HOOKS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({
    resolve(specifier, context, next) {
      const ours = specifier.startsWith(".") && context.parentURL?.endsWith(".ts");
      return next(ours ? specifier.replace(/\\.js$/, ".ts") : specifier, context);
    },
  });
`)}`;

/** A TypeScript file that runs as a process of its own. */
export interface TypescriptProcess {
  /** Gives the next line of its output. Rejects when it ends before. */
  nextLine(): Promise<string>;
  /** Sends it a line. */
  send(line: string): void;
  /** Kills it without notice. */
  kill(): void;
}

/**
 * Runs a file of this folder as a process, which is killed when the test ends.
 *
 * @param name - Name of the file.
 * @param args - Its arguments.
 */
export function startTypescript(name: string, ...args: readonly string[]): TypescriptProcess {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ["--no-warnings", "--import", HOOKS, path, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = readLines(child);
  return {
    async nextLine() {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${name} has ended`);
      return value;
    },
    send: (line) => void child.stdin?.write(`${line}\n`),
    kill: () => void child.kill("SIGKILL"),
  };
}

async function* readLines(child: ChildProcess): AsyncGenerator<string, void, undefined> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
