import type { Concern } from "./conformance-rules.js";
import { CallAnsweredError } from "./refusal.js";

/** How one case of an examination went. */
export interface CaseResult {
  /** What its rule is about. */
  readonly concern: Concern;
  /** Why it failed; absent: it did not. */
  readonly failure?: Error | undefined;
}

/**
 * Says in a sentence what it means that just these cases of an examination failed; undefined when they fit no pattern.
 *
 * @param results - All cases, in the order in which they ran.
 */
export function explainPattern(results: readonly CaseResult[]): string | undefined {
  if (isOpenToAll(results)) return "Every call was answered: nothing guards the service";
  if (failsWithoutInterceptor(results)) {
    return "What fails is what only the interceptor can keep: it is missing, or another one took its place";
  }
  if (hasClockOfItsOwn(results)) {
    return "Good tokens are refused once the clock has been moved: the server does not run on the clock of the options";
  }
  return undefined;
}

function isOpenToAll(results: readonly CaseResult[]): boolean {
  return results
    .filter(({ concern }) => concern === "refusal" || concern === "message")
    .every(({ failure }) => failure?.cause instanceof CallAnsweredError);
}

function failsWithoutInterceptor(results: readonly CaseResult[]): boolean {
  return results.every(
    ({ concern, failure }) => (failure !== undefined) === (concern === "message" || concern === "expiry"),
  );
}

function hasClockOfItsOwn(results: readonly CaseResult[]): boolean {
  const moved = results.findIndex(({ concern }) => concern === "expiry");
  const admissions = (some: readonly CaseResult[]): readonly CaseResult[] =>
    some.filter(({ concern }) => concern === "admission");
  const before = admissions(results.slice(0, moved));
  const after = admissions(results.slice(moved));
  if (moved === -1 || after.length === 0) return false;
  return before.every(({ failure }) => failure === undefined) && after.every(({ failure }) => failure !== undefined);
}
