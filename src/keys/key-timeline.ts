/** What a key of a ring does at an instant: waits for its turn, signs, or only verifies what it signed before. */
export type KeyState = "pending" | "signing" | "retiring";

/** When a key is what; wall-clock milliseconds since the epoch. */
export interface KeyInstants {
  readonly kid: string;
  readonly publishedAtMs: number;
  readonly signsFromMs: number;
  readonly retiresAtMs?: number;
}

/** A key with its place on the time line. */
export interface PlacedKey<K extends KeyInstants> {
  readonly key: K;
  readonly state: KeyState;
  /** Until when it is published; undefined while no successor is planned. */
  readonly retiresAtMs: number | undefined;
}

/**
 * Says what each key does at an instant, first to sign first. Keys whose last token has expired are left out.
 *
 * Follows from the stored instants alone, so that processes sharing a store agree without talking to each other.
 *
 * @param keys - Keys in any order.
 * @param nowMs - The instant, on the wall clock.
 * @param afterlifeMs - How long tokens signed by a key are accepted after its successor began to sign.
 */
export function placeKeys<K extends KeyInstants>(
  keys: readonly K[],
  nowMs: number,
  afterlifeMs: number,
): readonly PlacedKey<K>[] {
  const ordered = keys.toSorted((a, b) => a.signsFromMs - b.signsFromMs || (a.kid < b.kid ? -1 : 1));
  // Before its instant the first key signs all the same: a wall clock set back must not leave the ring without one.
  const signing = Math.max(
    0,
    ordered.findLastIndex((key) => key.signsFromMs <= nowMs),
  );
  return ordered
    .map((key, index) => {
      const successor = ordered[index + 1];
      return { key, state: stateAt(index, signing), retiresAtMs: retirement(key, successor, afterlifeMs) };
    })
    .filter(({ state, retiresAtMs }) => state !== "retiring" || retiresAtMs === undefined || nowMs < retiresAtMs);
}

function stateAt(index: number, signing: number): KeyState {
  if (index === signing) return "signing";
  return index < signing ? "retiring" : "pending";
}

/** The stored instant knows the lifetime of then, the computed one the lifetime of now; the later one is safe. */
function retirement(key: KeyInstants, successor: KeyInstants | undefined, afterlifeMs: number): number | undefined {
  if (successor === undefined) return undefined;
  return Math.max(key.retiresAtMs ?? 0, successor.signsFromMs + afterlifeMs);
}
