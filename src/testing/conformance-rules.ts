import type { Client } from "@connectrpc/connect";
import type { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { raceSignal } from "../lib/signal.js";
import { type CallKind, callEcho, type EchoCallOptions, type Outcome } from "./echo-call.js";
import { OBSERVATION_HEADER } from "./echo-observer.js";
import type { HostileTokenMaker, HostileTokenRecipe } from "./hostile-token-maker.js";
import type { ManualClock } from "./manual-clock.js";
import type { Observation } from "./observation.js";
import { assertRefused, BAD_TOKEN, NO_CREDENTIALS, NOT_ALLOWED, type Refusal } from "./refusal.js";
import type { MintOptions, TestIssuer } from "./test-issuer.js";

/** What a case has to work with. */
export interface CaseContext {
  readonly kind: CallKind;
  readonly client: Client<typeof EchoService>;
  readonly issuer: TestIssuer;
  /** The clock of issuer and server; absent: the cases that need one are not run. */
  readonly clock?: ManualClock | undefined;
  /** Subject of the tokens of this case. */
  readonly subject: string;
  /** Longest duration of a call, in milliseconds. */
  readonly timeoutMs: number;
  readonly hostileTokens: HostileTokenMaker;
  /** Watches for calls that get through. */
  observe(): Observation;
}

/** What a rule is about: good calls, bad ones, single messages of good ones, or the end of a token. */
export type Concern = "admission" | "refusal" | "message" | "expiry";

/** One thing that a server has to do, with calls of the kinds it applies to. */
export interface ConformanceRule {
  /** What the server does. */
  readonly name: string;
  /** What it is about. */
  readonly concern: Concern;
  /** Of which kinds of calls. */
  appliesTo(kind: CallKind): boolean;
  /** Rejects when the server does something else. */
  check(context: CaseContext): Promise<void>;
}

const ORG = "acme";
const CONCURRENT_CALLERS = 8;
const anyKind = (): boolean => true;
const streamsRequest = (kind: CallKind): boolean => kind === "client_streaming" || kind === "bidi_streaming";
const streams = (kind: CallKind): boolean => kind !== "unary";

/** The rules that every server keeps. */
export const RULES: readonly ConformanceRule[] = [
  {
    name: "admits a good token, and the handler finds its caller",
    concern: "admission",
    appliesTo: anyKind,
    async check(context) {
      const observation = context.observe();
      assertAnswered(await send(context, observation, `Bearer ${await mint(context)}`), context.subject);
      if (observation.calls !== 1) throw new Error(`the handler was called ${observation.calls} times`);
    },
  },
  {
    name: "keeps the callers of concurrent calls apart",
    concern: "admission",
    appliesTo: anyKind,
    async check(context) {
      const observation = context.observe();
      observation.gather(CONCURRENT_CALLERS);
      const callers = Array.from({ length: CONCURRENT_CALLERS }, (_, index) => `${context.subject}-${index}`);
      const tokens = await Promise.all(callers.map((sub) => context.issuer.mint({ claims: { sub } })));
      const outcomes = await Promise.all(tokens.map((token) => send(context, observation, `Bearer ${token}`)));
      outcomes.forEach((outcome, index) => {
        assertAnswered(outcome, callers[index] ?? "");
      });
    },
  },
  {
    name: "refuses a call without a token",
    concern: "refusal",
    appliesTo: anyKind,
    check: (context) => expectRefused(context, undefined, NO_CREDENTIALS),
  },
  {
    name: "refuses an Authorization header of another form",
    concern: "refusal",
    appliesTo: anyKind,
    async check(context) {
      const token = await mint(context);
      for (const value of ["Basic YTpi", "Bearer", `Bearer "${token}"`, `Bearer ${token}, Bearer ${token}`, token]) {
        await expectRefused(context, value, { code: BAD_TOKEN.code });
      }
    },
  },
  {
    name: "refuses a caller without the role of the method",
    concern: "refusal",
    appliesTo: anyKind,
    async check(context) {
      await expectRefused(context, `Bearer ${await mint(context, { roles: ["guest"] })}`, NOT_ALLOWED);
    },
  },
  {
    name: "refuses a message of another organisation than the caller's",
    concern: "message",
    appliesTo: anyKind,
    check: (context) => expectForeignOrgRefused(context, ["other"]),
  },
  {
    name: "refuses a later message of another organisation than the caller's",
    concern: "message",
    appliesTo: streamsRequest,
    check: (context) => expectForeignOrgRefused(context, [ORG, "other"]),
  },
];

/** What needs the clock of the server. */
export const CLOCK_RULES: readonly ConformanceRule[] = [
  {
    name: "ends when the token of the caller expires, and the handler with it",
    concern: "expiry",
    appliesTo: streams,
    async check(context) {
      const observation = context.observe();
      const open = new AbortController();
      const token = await mint(context);
      const answer = send(context, observation, `Bearer ${token}`, { open: open.signal });
      try {
        await Promise.race([observation.reached, answer]);
        if (observation.orgIds.length === 0) throw new Error("the call ended before the token of its caller expired");
        // Longer than the token, and any tolerance.
        await context.clock?.advance(60 * 60 * 1_000);
        assertRefused(await answer, BAD_TOKEN, secretsOf(`Bearer ${token}`));
        await raceSignal(observation.finished, AbortSignal.timeout(context.timeoutMs)).catch((cause: unknown) => {
          throw new Error("the handler goes on", { cause });
        });
      } finally {
        open.abort();
      }
    },
  },
];

/** The rule that a hostile token is refused. */
export function hostileTokenRule(recipe: HostileTokenRecipe): ConformanceRule {
  return {
    name: `refuses a token ${recipe.name}`,
    concern: "refusal",
    appliesTo: anyKind,
    async check(context) {
      const token = await context.hostileTokens.make(recipe, { sub: context.subject });
      await expectRefused(context, `Bearer ${token}`, BAD_TOKEN);
    },
  };
}

/** Refused before the handler, which is not even called. */
async function expectRefused(context: CaseContext, authorization: string | undefined, refusal: Refusal): Promise<void> {
  const observation = context.observe();
  assertRefused(await send(context, observation, authorization), refusal, [
    ...secretsOf(authorization),
    context.subject,
  ]);
  if (observation.calls > 0) throw new Error("the call was refused, and yet the handler was called");
}

/** Refused by a message: a handler of a request stream may have been called, and is not given that message. */
async function expectForeignOrgRefused(context: CaseContext, orgIds: readonly string[]): Promise<void> {
  const observation = context.observe();
  const authorization = `Bearer ${await mint(context)}`;
  assertRefused(await send(context, observation, authorization, { orgIds }), NOT_ALLOWED, secretsOf(authorization));
  if (observation.orgIds.some((orgId) => orgId !== ORG)) throw new Error("the handler was given the message");
}

function send(
  { client, kind, timeoutMs }: CaseContext,
  observation: Observation,
  authorization: string | undefined,
  options: Partial<EchoCallOptions> = {},
): Promise<Outcome> {
  const headers = new Headers({ [OBSERVATION_HEADER]: observation.id });
  if (authorization !== undefined) headers.set("authorization", authorization);
  return callEcho(client, kind, { orgIds: [ORG], headers, timeoutMs, ...options });
}

function mint({ issuer, subject }: CaseContext, claims: MintOptions["claims"] = {}): Promise<string> {
  return issuer.mint({ claims: { sub: subject, ...claims } });
}

/** The parts of a token: none of them belongs into an answer. */
function secretsOf(authorization = ""): readonly string[] {
  return authorization.split(/[ ,."]+/).filter((part) => part.length > 16);
}

function assertAnswered(outcome: Outcome, subject: string): void {
  if ("error" in outcome) throw new Error(`the call was refused: ${outcome.error.message}`, { cause: outcome.error });
  const { subjects } = outcome;
  if (subjects.length === 0) throw new Error("the call was answered without a message");
  if (subjects.some((found) => found !== subject)) throw new Error("the handler found another caller, or none");
}
