import { notify } from "./notify.js";

/** Those who want to be told of something. */
export interface Listeners {
  /** Adds one, until disposed. A function may be added twice; each registration ends alone. */
  add(listener: () => void): Disposable;
  /** Tells all who listen at this moment; see {@link notify}. */
  tell(): void;
}

/** Creates {@link Listeners}, none yet. */
export function createListeners(): Listeners {
  const entries = new Set<() => void>();
  return {
    add(listener) {
      const entry = (): unknown => listener();
      entries.add(entry);
      return { [Symbol.dispose]: () => void entries.delete(entry) };
    },
    tell() {
      // A copy: one who listens anew when told must not be told again, or this would never end.
      for (const entry of [...entries]) notify(entry);
    },
  };
}
