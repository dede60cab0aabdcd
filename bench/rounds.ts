/** Does something that often, one after the other. */
export type Work = (times: number) => Promise<void>;

/** What two kinds of work cost, side by side. */
export interface Comparison {
  /** Time of one piece of the first, in nanoseconds. */
  readonly baseNs: number;
  /** Time of one piece of the second, in nanoseconds. */
  readonly otherNs: number;
  /** Time of the second over time of the first. */
  readonly ratio: number;
}

const ROUNDS = 61;
const WARM_UP_ROUNDS = 10;
const TIMES_PER_ROUND = 5_000;

/**
 * Compares two kinds of work in rounds of a millisecond or two, the two of a round right after one another and in turns
 * first. Each figure is the median over the rounds: what disturbs the machine for a while disturbs a few rounds, or both
 * kinds alike.
 *
 * @param times - Pieces of work per round; fewer for work that takes longer.
 */
export async function compare(base: Work, other: Work, times = TIMES_PER_ROUND): Promise<Comparison> {
  const rounds: { readonly baseNs: number; readonly otherNs: number }[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    let baseNs: number;
    let otherNs: number;
    if (round % 2 === 0) {
      baseNs = await timeOf(base, times);
      otherNs = await timeOf(other, times);
    } else {
      otherNs = await timeOf(other, times);
      baseNs = await timeOf(base, times);
    }
    if (round >= WARM_UP_ROUNDS) rounds.push({ baseNs, otherNs });
  }
  return {
    baseNs: median(rounds.map(({ baseNs }) => baseNs)),
    otherNs: median(rounds.map(({ otherNs }) => otherNs)),
    ratio: median(rounds.map(({ baseNs, otherNs }) => otherNs / baseNs)),
  };
}

/** How often {@link compare} does each kind of work in all, with that many pieces per round. */
export function timesInAll(times: number): number {
  return (WARM_UP_ROUNDS + ROUNDS) * times;
}

/** The value that half of them exceed. */
export function median(values: Iterable<number>): number {
  return percentile(values, 0.5);
}

/** The value that this part of them does not exceed, from 0 to 1. */
export function percentile(values: Iterable<number>, part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** The mean of the middle half: what happens in few rounds does not count, what happens in many counts by its size. */
export function middleMean(values: Iterable<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.subarray(Math.floor(sorted.length / 4), Math.ceil((sorted.length * 3) / 4));
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

async function timeOf(work: Work, times: number): Promise<number> {
  const startedMs = performance.now();
  await work(times);
  return ((performance.now() - startedMs) * 1_000_000) / times;
}
