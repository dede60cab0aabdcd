import { readFileSync } from "node:fs";
import type { Report } from "./line-reporter.ts";

/** The rows of docs/threats.md that need a mutant each: those that guards of the verifying side answer. */
export function readRows(): readonly string[] {
  const page = readFileSync("docs/threats.md", "utf8");
  return [...page.matchAll(/^\| ([A-GJ]\d+) \|/gm)].map(([, id = ""]) => id);
}

/** Matches the full names of tests that may prove one of the rows. */
export function patternOf(...ids: readonly string[]): RegExp {
  return new RegExp(`\\b(${ids.join("|")})[:,]`);
}

/** Tells whether a report is that a test of the row ended so: `A1: …`, or `A1, A2: …`. */
export function isOf(id: string, state: "passed" | "failed", report: Report): boolean {
  if (!("state" in report) || report.state !== state) return false;
  const [, ids = ""] = /^([A-M]\d+(?:, [A-M]\d+)*): /.exec(report.test) ?? [];
  return ids.split(", ").includes(id);
}
