/** Random choices that the same seed repeats. */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  /** True as often as `share` says. */
  chance(share: number): boolean;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
}

/** Gives each name as often as its share says, for a choice among them. */
export function spread(shares: Readonly<Record<string, { readonly share: number }>>): readonly string[] {
  return Object.entries(shares).flatMap(([name, { share }]) => Array<string>(share).fill(name));
}

/** Creates the choices of one case: those of another case do not change them, whoever works on which. */
export function createRandom(seed: number, turn: number): Random {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(turn + 1, 0xc2b2ae35)) >>> 0;
  // mulberry32: 32 bits of state are enough for the few choices of one case.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    int,
    chance: (share) => next() < share,
    pick: (items) => items[int(items.length)] as (typeof items)[number],
  };
}
