const EMPTY: ReadonlySet<string> = freeze(new Set());

/**
 * Creates a set that nobody can change: `Object.freeze` alone leaves `add` working, for the entries of a set are not
 * its properties.
 */
export function createFrozenSet(entries: readonly string[]): ReadonlySet<string> {
  return entries.length === 0 ? EMPTY : freeze(new Set(entries));
}

function freeze(set: Set<string>): ReadonlySet<string> {
  set.add = refuse;
  set.delete = refuse;
  set.clear = refuse;
  return Object.freeze(set);
}

function refuse(): never {
  throw new TypeError("This set cannot be changed");
}
