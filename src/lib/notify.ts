/**
 * Calls a listener of the user's. What it throws, at once or later, is its own affair: the work that it is told of has
 * been done.
 */
export function notify<T extends readonly unknown[]>(listener: (...details: T) => unknown, ...details: T): void {
  // An async function, so that a listener may be one too.
  (async () => listener(...details))().catch(() => {});
}
