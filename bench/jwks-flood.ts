// Strangers send tokens with made-up kids: what it costs the issuer, us, and the callers with good tokens.
import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { createRemoteJWKSet } from "jose";
import { createJwks, type Jwks } from "latchkey/jwks";
import { createTestIssuer, type TestIssuer } from "latchkey/testing";
import { type JwksAnswer, type JwksServer, startJwksServer } from "../test/support/jwks-server.ts";
import type { Figure } from "./figure.ts";
import { median, percentile } from "./rounds.ts";
import { usedBytes } from "./used-bytes.ts";

const STRANGERS = 100_000;
// Those who come all at once at the start: twice as many as may wait for an answer.
const AT_ONCE = 2_000;
const STRANGERS_PER_CALLER = 10;
const CALLERS = (STRANGERS - AT_ONCE) / STRANGERS_PER_CALLER;
const JOSE_STRANGERS = 1_000;
// The default of both.
const COOLDOWN_MS = 30_000;

/** How an issuer can answer while it is asked for kids that it never had. */
function answersOf(issuer: TestIssuer): readonly (readonly [name: string, answer: JwksAnswer])[] {
  return [
    ["200", { body: issuer.jwks() }],
    ["500", { status: 500 }],
    ["an empty set", { body: { keys: [] } }],
    ["nothing", { after: new Promise(() => {}) }],
  ];
}

/** Requests, time per refusal, good callers' time and memory, for each way in which the issuer may answer. */
export async function measureFlood(): Promise<Figure[]> {
  const issuer = await createTestIssuer();
  const figures: Figure[] = [];
  for (const [name, answer] of answersOf(issuer)) {
    await using server = await startJwksServer({ body: issuer.jwks() });
    figures.push(...(await flood(`100,000 made-up kids, issuer answers ${name}`, server, issuer, answer)));
  }
  for (const [name, answer] of answersOf(issuer)) {
    // A caller of jose waits five seconds for each of them.
    if (answer.after !== undefined) continue;
    await using server = await startJwksServer({ body: issuer.jwks() });
    const value = await floodJose(server, issuer, answer);
    figures.push({ name: `jose: 1,000 made-up kids, issuer answers ${name}, requests`, value, unit: "" });
  }
  return figures;
}

async function flood(name: string, server: JwksServer, issuer: TestIssuer, answer: JwksAnswer): Promise<Figure[]> {
  using flooded = createJwks(server.url, { allowLoopbackHttp: true });
  // A twin that nobody floods: a disturbance of the machine hits the callers of both.
  using quiet = createJwks(server.url, { allowLoopbackHttp: true });
  const times = {
    before: new Float64Array(CALLERS),
    during: new Float64Array(CALLERS),
    quiet: new Float64Array(CALLERS),
    refusals: new Float64Array(CALLERS * STRANGERS_PER_CALLER),
  };
  const callBoth = async (index: number): Promise<void> => {
    const first = index % 2 === 0;
    if (first) times.during[index] = await call(flooded, issuer.kid);
    times.quiet[index] = await call(quiet, issuer.kid);
    if (!first) times.during[index] = await call(flooded, issuer.kid);
  };
  // Twice, so that the figures are not those of code that has yet to be compiled.
  for (const _ of [1, 2]) for (let index = 0; index < CALLERS; index++) await callBoth(index);
  times.before.set(times.during);

  server.answer(answer);
  const hitsBefore = server.hits;
  const bytesBefore = usedBytes();
  const startedMs = performance.now();
  const waiting = Array.from({ length: AT_ONCE }, () => refuse(flooded));
  for (let index = 0; index < CALLERS; index++) {
    for (let stranger = 0; stranger < STRANGERS_PER_CALLER; stranger++) {
      times.refusals[index * STRANGERS_PER_CALLER + stranger] = await refuse(flooded);
    }
    await callBoth(index);
  }
  const cooldowns = 1 + Math.floor((performance.now() - startedMs) / COOLDOWN_MS);
  const grownMb = (usedBytes() - bytesBefore) / 1024 / 1024;
  const requests = server.hits - hitsBefore;
  flooded[Symbol.dispose]();
  await Promise.all(waiting);

  const [before, during, beside] = [times.before, times.during, times.quiet].map((values) => percentile(values, 0.99));
  if (before === undefined || during === undefined || beside === undefined) throw new Error("nobody called");
  return [
    { name: `${name}, requests`, value: requests, unit: "", min: 1, max: cooldowns },
    { name: `${name}, median refusal`, value: median(times.refusals), unit: "µs", max: 20 },
    { name: `${name}, good callers' p99 before`, value: before, unit: "µs" },
    // A caller who had to wait for anything would wait for milliseconds.
    { name: `${name}, good callers' p99`, value: during, unit: "µs", max: 50 },
    // From run to run it is between 0.6 and 1.3, on an idle machine and on a busy one.
    { name: `${name}, good callers' p99 against a quiet cache`, value: during / beside, unit: "x", max: 2 },
    { name: `${name}, memory`, value: grownMb, unit: "MB", max: 20 },
  ];
}

/** Asks for a key that is in hand; gives how long that took, in microseconds. */
async function call(jwks: Jwks, kid: string): Promise<number> {
  // Sockets and timers have their turn, as between requests that come over the network.
  await setImmediate();
  const startedMs = performance.now();
  await jwks.getKey({ kid, alg: "ES256" });
  return (performance.now() - startedMs) * 1_000;
}

/** Asks for a key that no issuer has; gives how long the refusal took, in microseconds. */
async function refuse(jwks: Jwks): Promise<number> {
  const kid = randomBytes(16).toString("base64url");
  const startedMs = performance.now();
  const refused = await jwks.getKey({ kid, alg: "ES256" }).then(
    () => false,
    () => true,
  );
  const elapsedMs = performance.now() - startedMs;
  if (!refused) throw new Error("a made-up kid was found");
  return elapsedMs * 1_000;
}

/** Requests that jose sends for made-up kids once its cooldown after the first success is over. */
async function floodJose(server: JwksServer, issuer: TestIssuer, answer: JwksAnswer): Promise<number> {
  const remote = createRemoteJWKSet(new URL(server.url));
  await remote({ kid: issuer.kid, alg: "ES256" });
  server.answer(answer);
  const hitsBefore = server.hits;
  const now = Date.now;
  Date.now = () => now() + COOLDOWN_MS + 1_000;
  try {
    for (let index = 0; index < JOSE_STRANGERS; index++) {
      await remote({ kid: randomBytes(16).toString("base64url"), alg: "ES256" }).catch(() => {});
    }
  } finally {
    Date.now = now;
  }
  return server.hits - hitsBefore;
}
