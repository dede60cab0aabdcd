import type { Clock } from "../lib/clock.js";

/** How a call ended: with an answer, an error of the store, no answer in time, or unmade for lack of answers before. */
export type SnapshotCall =
  | { readonly outcome: "answered"; readonly value: unknown }
  | { readonly outcome: "store" | "timeout" | "unmade" };

/** Makes calls to a store that may be slow, broken or gone. */
export interface SnapshotCalls extends Disposable {
  /**
   * Makes a call when there is room for it, and waits for its answer, but not for long. Never rejects.
   *
   * What comes later than that is dropped, an error too.
   */
  make(call: () => unknown): Promise<SnapshotCall>;
}

/** Limits of {@link createSnapshotCalls}. */
export interface SnapshotCallLimits {
  /** Longest wait for an answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Most calls under way. One that is given up on counts no longer. */
  readonly maxCalls: number;
  /** After how many calls in a row without an answer none is made for a while. */
  readonly maxTimeouts: number;
  /** For how long; then a single call finds out how the store is, in milliseconds. */
  readonly pauseMs: number;
}

// A process that was busy has not looked for answers meanwhile. However long, that costs one slice of the time, and in
// the others it does look.
const SLICES = 5;

/**
 * Creates {@link SnapshotCalls}.
 *
 * A store that has stopped answering costs the time box a few times, then nothing until the pause is over. Disposing ends
 * every wait as if its time were up.
 */
export function createSnapshotCalls(limits: SnapshotCallLimits, clock: Clock): SnapshotCalls {
  const { timeoutMs, maxCalls, maxTimeouts, pauseMs } = limits;
  const waits = new Set<() => void>();
  const queue: (() => void)[] = [];
  let underWay = 0;
  let timeouts = 0;
  let pausedUntilMs = 0;
  let disposed = false;

  const mayCall = (): boolean => {
    if (disposed) return false;
    if (timeouts < maxTimeouts) return true;
    if (clock.monotonicMs() < pausedUntilMs) return false;
    // Claimed before the call, so that it is the only one.
    pausedUntilMs = clock.monotonicMs() + pauseMs;
    return true;
  };

  const onEnded = ({ outcome }: SnapshotCall): void => {
    timeouts = outcome === "timeout" ? timeouts + 1 : 0;
    if (timeouts === maxTimeouts) pausedUntilMs = clock.monotonicMs() + pauseMs;
  };

  const waitFor = (answer: Promise<unknown>): Promise<SnapshotCall> =>
    new Promise((resolve) => {
      const end = (call: SnapshotCall): void => {
        timer[Symbol.dispose]();
        waits.delete(giveUp);
        resolve(call);
      };
      const giveUp = (): void => end({ outcome: "timeout" });
      const watch = (slices: number): Disposable =>
        clock.setTimer(() => {
          if (slices > 1) timer = watch(slices - 1);
          else giveUp();
        }, timeoutMs / SLICES);
      let timer = watch(SLICES);
      waits.add(giveUp);
      answer.then(
        (value) => end({ outcome: "answered", value }),
        () => end({ outcome: "store" }),
      );
    });

  return {
    async make(call) {
      if (underWay < maxCalls) underWay++;
      else await new Promise<void>((resolve) => queue.push(resolve));
      try {
        if (!mayCall()) return { outcome: "unmade" };
        // An async function, so that a store may answer, or throw, at once.
        const result = await waitFor((async () => call())());
        onEnded(result);
        return result;
      } finally {
        // Whoever waits first takes the place over.
        const next = queue.shift();
        if (next === undefined) underWay--;
        else next();
      }
    },
    [Symbol.dispose]() {
      disposed = true;
      for (const giveUp of waits) giveUp();
    },
  };
}
