import type { CliContext } from "../cli-context.js";

/** A step of the demo did not show what it was to show. */
export class DemoFailedError extends Error {
  override readonly name = "DemoFailedError";
}

/** Throws unless what a step was to show is so. */
export function check(shown: boolean, claim: string): asserts shown {
  if (!shown) throw new DemoFailedError(`not so: ${claim}`);
}

/** The steps of the demo, counted. */
export interface Tour {
  /** Runs a step, which checks itself and gives the line to print. */
  step(title: string, work: () => Promise<string>): Promise<void>;
  /** How many steps have passed. */
  readonly passed: number;
}

/** Creates a tour that prints to the context. */
export function createTour(context: CliContext, signal: AbortSignal): Tour {
  let passed = 0;
  return {
    async step(title, work) {
      signal.throwIfAborted();
      context.print(`\n${passed + 1}. ${title}`);
      const line = await work();
      passed++;
      context.print(`   ok: ${line}`);
    },
    get passed() {
      return passed;
    },
  };
}
