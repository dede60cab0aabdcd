// Loaded by vitest: tells of each test as soon as it has ended, so that a run can be judged, or cut short, meanwhile.
import type { TestCase, TestModule } from "vitest/node";

/** What is told: a test that has ended, or why a file or a hook of it failed as a whole. */
export type Report =
  | { readonly file: string; readonly test: string; readonly state: "passed" | "failed" | "skipped" | "pending" }
  | { readonly file: string; readonly error: string };

const MARK = "\u0001report ";

export default class LineReporter {
  onTestCaseResult(testCase: TestCase): void {
    write({ file: testCase.module.relativeModuleId, test: testCase.name, state: testCase.result().state });
  }

  onTestModuleEnd(module: TestModule): void {
    for (const { message } of module.errors()) write({ file: module.relativeModuleId, error: message });
  }
}

/** Reads a line of vitest's output; undefined when it is none of ours. */
export function parseReport(line: string): Report | undefined {
  return line.startsWith(MARK) ? (JSON.parse(line.slice(MARK.length)) as Report) : undefined;
}

function write(report: Report): void {
  process.stdout.write(`${MARK}${JSON.stringify(report)}\n`);
}
