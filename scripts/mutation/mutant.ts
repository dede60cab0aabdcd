/** One guard of `src/` taken out, and the tests that must notice. */
export interface Mutant {
  /** The row of docs/threats.md that the guard is for. */
  readonly id: string;
  /** The file it stands in. */
  readonly file: string;
  /** Its text, as it stands there exactly once. */
  readonly find: string;
  /** What stands there without it: code that runs and lets the attack through. */
  readonly replace: string;
  /** The test files that prove the row against this guard. */
  readonly tests: readonly string[];
  /** The row whose tests fail, where one guard serves several rows. @defaultValue `id` */
  readonly provedBy?: string;
}

/**
 * Gives the text of a file without the guard.
 *
 * @throws Error when the guard is not there exactly once: the mutant has to follow the code that it is about.
 */
export function mutate(text: string, { find, replace }: Mutant): string {
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`the text to replace occurs ${count} times`);
  if (find === replace) throw new Error("nothing is replaced");
  // A function, for "$" in a text would mean something.
  return text.replace(find, () => replace);
}
