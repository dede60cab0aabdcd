import {
  decorrelatedJitterGenerator,
  ExponentialBackoff,
  fullJitterGenerator,
  type IBackoff,
  noJitterGenerator,
} from "cockatiel";

/** How the waits before repetitions spread: exactly doubling, anywhere below that, or decorrelated from one another. */
export type RetryJitter = "none" | "full" | "decorrelated";

/** How waits grow. Durations in milliseconds. */
export interface BackoffShape {
  /** First step; doubles with each. */
  readonly retryMinDelayMs: number;
  /** Upper bound of every wait. */
  readonly retryMaxDelayMs: number;
  /** How they spread: clients that failed together must not come back together. */
  readonly retryJitter: RetryJitter;
}

/** Creates the waits of one series of tries: each call gives the next, in milliseconds. */
export function createBackoff({ retryMinDelayMs, retryMaxDelayMs, retryJitter }: BackoffShape): () => number {
  // Doubled often enough, nothing times infinity would be no number.
  if (retryMinDelayMs === 0) return () => 0;
  const range = { initialDelay: retryMinDelayMs, maxDelay: retryMaxDelayMs };
  // Of the package only the formulas: its waits cannot be ended by a signal, nor run on a clock of ours.
  let step: IBackoff<unknown> = first(retryJitter, range);
  return () => {
    const { duration } = step;
    step = step.next({});
    return duration;
  };
}

function first(jitter: RetryJitter, range: { initialDelay: number; maxDelay: number }): IBackoff<unknown> {
  switch (jitter) {
    case "none":
      return new ExponentialBackoff({ ...range, generator: noJitterGenerator }).next();
    case "full":
      return new ExponentialBackoff({ ...range, generator: fullJitterGenerator }).next();
    case "decorrelated":
      return new ExponentialBackoff({ ...range, generator: decorrelatedJitterGenerator }).next();
  }
}
