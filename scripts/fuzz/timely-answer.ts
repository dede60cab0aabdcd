/** Says that an answer took too long each time. */
export const TOO_SLOW = "took more than 250 ms, 3 times";

const SLOW_MS = 250;
const TRIES = 3;

/** Gives the first answer to a question. Asks again when it was slow: the machine has other things to do as well. */
export async function askTimely<T>(ask: () => Promise<T>): Promise<T | typeof TOO_SLOW> {
  const answers: T[] = [];
  while (answers.length < TRIES) {
    const startedMs = performance.now();
    answers.push(await ask());
    if (performance.now() - startedMs <= SLOW_MS) return answers[0] as T;
  }
  return TOO_SLOW;
}
