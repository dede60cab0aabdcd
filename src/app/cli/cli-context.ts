/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command line talks through; `process` fits. */
export interface CliIo {
  /** Where results go. */
  readonly stdout: NodeJS.WritableStream;
  /** Where errors, notes and logs go. */
  readonly stderr: NodeJS.WritableStream;
  /** Where SIGINT and SIGTERM are heard. */
  on(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  /** Ends hearing them. */
  off(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
}

/** What every command gets. */
export interface CliContext {
  readonly env: Environment;
  readonly io: CliIo;
  /** Writes a line of the result to standard output. */
  print(line: string): void;
  /** Writes a remark to standard error. */
  note(line: string): void;
  /** Runs what a command does; the number is the exit code. */
  run(work: () => Promise<number>): Promise<void>;
  /** Exit code of what was run; 0 when nothing was. */
  readonly exitCode: number;
}

/** Creates the context of one run of the command line. */
export function createCliContext(env: Environment, io: CliIo): CliContext {
  let exitCode = 0;
  return {
    env,
    io,
    print: (line) => void io.stdout.write(`${line}\n`),
    note: (line) => void io.stderr.write(`${line}\n`),
    async run(work) {
      exitCode = await work();
    },
    get exitCode() {
      return exitCode;
    },
  };
}
