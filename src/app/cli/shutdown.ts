import type { CliIo } from "./cli-context.js";

/** What the user asked for by SIGINT and SIGTERM. */
export interface Shutdown extends Disposable {
  /** Aborts with the first signal: finish in order. */
  readonly orderly: AbortSignal;
  /** Aborts with the second signal: end now. */
  readonly forced: AbortSignal;
}

/** Starts to hear SIGINT and SIGTERM, which then do not end the process by themselves; dispose ends it. */
export function createShutdown(io: CliIo): Shutdown {
  const orderly = new AbortController();
  const forced = new AbortController();
  const listener = (): void => {
    if (orderly.signal.aborted) forced.abort();
    else orderly.abort();
  };
  io.on("SIGINT", listener);
  io.on("SIGTERM", listener);
  return {
    orderly: orderly.signal,
    forced: forced.signal,
    [Symbol.dispose]() {
      io.off("SIGINT", listener);
      io.off("SIGTERM", listener);
    },
  };
}
