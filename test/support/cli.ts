import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import type { Environment } from "../../src/app/cli/cli-context.js";
import { runCli } from "../../src/app/cli/run-cli.js";

/** What a command line left behind. */
export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line that is under way. */
export interface RunningCli {
  readonly result: Promise<CliResult>;
  /** Resolves once standard output holds a text. */
  printed(text: string): Promise<void>;
  /** Sends a signal. */
  signal(name: "SIGINT" | "SIGTERM"): void;
}

/** A stream that keeps what is written to it as text. */
export interface TextSink extends Writable {
  readonly text: string;
}

/** Creates a {@link TextSink}. */
export function createTextSink(onWrite: () => void = () => {}): TextSink {
  let text = "";
  const sink = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      text += Buffer.from(chunk).toString("utf8");
      onWrite();
      done();
    },
  });
  return Object.defineProperty(sink, "text", { get: () => text }) as TextSink;
}

/** Starts a command line in this process. */
export function startCli(args: readonly string[], env: Environment): RunningCli {
  let news = Promise.withResolvers<void>();
  const stdout = createTextSink(() => {
    news.resolve();
    news = Promise.withResolvers();
  });
  const stderr = createTextSink();
  const signals = new EventEmitter();
  const io = {
    stdout,
    stderr,
    on: (name: string, listener: () => void) => signals.on(name, listener),
    off: (name: string, listener: () => void) => signals.off(name, listener),
  };
  const result = runCli(args, env, io).then((exitCode) => ({ exitCode, stdout: stdout.text, stderr: stderr.text }));
  return {
    result,
    async printed(text) {
      const ended = result.then(() => true);
      while (!stdout.text.includes(text)) {
        if ((await Promise.race([news.promise, ended])) === true) {
          throw new Error(`the command ended without printing ${JSON.stringify(text)}: ${stderr.text}`);
        }
      }
    },
    signal: (name) => void signals.emit(name),
  };
}

/** Runs a command line in this process to its end. */
export function cli(args: readonly string[], env: Environment): Promise<CliResult> {
  return startCli(args, env).result;
}
