// What conditions in CEL cost: simple ones, those that match a pattern, and the longest that callers can make one take.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { celConditions } from "latchkey/cel";
import type { Principal } from "latchkey/server";
import { type EnqueueJobRequestSchema, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Figure } from "./figure.ts";
import { percentile } from "./rounds.ts";

/** How often a condition is evaluated, and on what. */
interface Load {
  readonly request: MessageInitShape<typeof EnqueueJobRequestSchema>;
  readonly rounds: number;
  readonly warmUpRounds: number;
  readonly timesPerRound: number;
}

const METHOD = JobService.method.enqueueJob;
const CALLER: Principal = {
  subject: "alice",
  principalId: "alice",
  org: "acme",
  roles: new Set(["submitter", "admin"]),
  scopes: new Set(),
  issuer: "https://idp.example",
  audience: ["https://jobs.example"],
  kid: "2026-11",
  expiresAtMs: Date.now() + 3_600_000,
  claims: { level: 3, email: "alice@corp.example" },
};

const SMALL: Load = { request: { orgId: "acme" }, rounds: 60, warmUpRounds: 20, timesPerRound: 1_000 };
// More entries than one evaluation has steps for by default, and as many characters as it has.
const LARGE: Load = {
  request: { args: Array.from({ length: 40_000 }, (_, index) => `item-${index}`), command: "9".repeat(500_000) },
  rounds: 8,
  warmUpRounds: 2,
  timesPerRound: 1,
};

const SIMPLE = ["'admin' in principal.roles", "principal.claims.level >= 2", "principal.org == request.org_id"];
const SHORT_MATCH = "principal.subject.matches('^[a-z]+$')";
const MATCH = "principal.claims.email.matches('^[a-z]+@corp[.]example$')";
const LOOPS = [
  "request.args.all(a, request.args.exists(b, true))",
  "request.args.all(a, principal.claims[a] == a)",
  "request.args.all(a, a.matches('^([a-z0-9]+[.-]?)+$'))",
];
const LONG_MATCHES = ["request.command.matches('^[0-9]*$')", "request.command.matches('^([a-z0-9]+[.-]?)+$')"];

/** Time of one evaluation; of several conditions, the slowest. */
export async function measureConditions(): Promise<Figure[]> {
  return [
    { name: "a simple condition", value: slowestMs(SIMPLE, SMALL) * 1_000, unit: "µs" },
    { name: "a condition that matches a name", value: slowestMs([SHORT_MATCH], SMALL) * 1_000, unit: "µs" },
    { name: "a condition that matches a mail address", value: slowestMs([MATCH], SMALL) * 1_000, unit: "µs" },
    { name: "the longest evaluation of a loop", value: slowestMs(LOOPS, LARGE), unit: "ms", max: 100 },
    { name: "the longest match", value: slowestMs(LONG_MATCHES, LARGE), unit: "ms", max: 100 },
  ];
}

function slowestMs(sources: readonly string[], load: Load): number {
  return Math.max(...sources.map((source) => evaluationMs(source, load)));
}

function evaluationMs(source: string, { request, rounds, warmUpRounds, timesPerRound }: Load): number {
  const condition = celConditions().compile(source, METHOD);
  const message = create(METHOD.input, request);
  const roundsMs: number[] = [];
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    const startedMs = performance.now();
    for (let time = 0; time < timesPerRound; time++) condition.evaluate(CALLER, message);
    if (round >= warmUpRounds) roundsMs.push((performance.now() - startedMs) / timesPerRound);
  }
  // The quieter rounds: what the neighbours on the machine do to the others is not the cost of the code.
  return percentile(roundsMs, 0.25);
}
