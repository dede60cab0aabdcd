// What verifying costs: tokens seen before and tokens never seen, beside libraries told to check the same.
import { createVerifier, type Verifier, type VerifierOptions } from "latchkey/verify";
import { Bench } from "tinybench";
import type { Figure } from "./figure.ts";
import { ALGORITHMS, type BenchAlgorithm, createMinter, type Minter } from "./minter.ts";
import { stayOnOneCore } from "./one-core.ts";
import { createPeers, type Peers, type Verify } from "./peers.ts";
import { type Comparison, compare, timesInAll, type Work } from "./rounds.ts";

const MANY_TOKENS = 1_000;
// Of what takes a microsecond, and of what takes a hundred: a round is a few milliseconds then.
const WARM_TIMES = 2_000;
const COLD_TIMES = 40;
const P50_TIMES = 5;
const TOKENS_TO_COMPILE = 20_000;
/** Of the time that jose takes for a token never seen. */
const MOST_COLD: Readonly<Record<BenchAlgorithm, number>> = { ES256: 1.15, EdDSA: 1.15, RS256: 1.3 };

/** Throughput against each peer, where above 1 is faster, time per call, and time of cold tokens against jose. */
export async function measureVerify(): Promise<Figure[]> {
  stayOnOneCore();
  await compileAll();
  const figures: Figure[] = [];
  for (const algorithm of ALGORITHMS) {
    const minter = createMinter(algorithm);
    const peers = await createPeers(minter);
    figures.push(...(await measureWarm(minter, peers)), ...(await measureCold(minter, peers)));
  }
  return figures;
}

/** What is done once per token is compiled late: after ten times as many as it takes to measure it. */
async function compileAll(): Promise<void> {
  const minter = createMinter("EdDSA");
  const { jose } = await createPeers(minter);
  await using verifier = openVerifier(minter);
  for (let count = 0; count < TOKENS_TO_COMPILE; count++) {
    const token = minter.mint();
    await jose(token);
    await verifier.verify(token);
  }
}

async function measureWarm(minter: Minter, peers: Peers): Promise<Figure[]> {
  const tokens = Array.from({ length: MANY_TOKENS }, () => minter.mint());
  await using verifier = openVerifier(minter);
  for (const token of tokens) await verifier.verify(token);
  const figures: Figure[] = [];
  for (const [what, inTurn] of [
    ["one token", tokens.slice(0, 1)],
    ["1,000 tokens in turn", tokens],
  ] as const) {
    const name = `verify ${minter.algorithm}, seen before, ${what}`;
    const own = called((token) => verifier.verifyNow(token), inTurn);
    const promised = awaited((token) => verifier.verify(token), inTurn);
    const cached = called(peers.fastJwtCached, inTurn);
    // fast-jwt gives no promise: a promise, and waiting for it, cost as much as the look-up.
    const likewise = await compare(own, cached, WARM_TIMES);
    const withPromise = await compare(promised, cached, WARM_TIMES);
    const anew = await compare(own, called(peers.fastJwt, inTurn), COLD_TIMES);
    const aws = await compare(own, called(peers.awsJwtVerify, inTurn), COLD_TIMES);
    const jose = await compare(promised, awaited(peers.jose, inTurn), COLD_TIMES);
    figures.push(
      { name: `${name}, time`, value: likewise.baseNs / 1_000, unit: "µs" },
      {
        name: `${name}, p50 of a call with a promise`,
        value: await measureP50(verifier, inTurn),
        unit: "µs",
        max: 1.5,
      },
      { name: `${name}, throughput against fast-jwt, cached`, value: likewise.ratio, unit: "x", min: 2 },
      { name: `${name}, the same with a promise`, value: withPromise.ratio, unit: "x" },
      { name: `${name}, throughput against fast-jwt, not cached`, value: anew.ratio, unit: "x" },
      { name: `${name}, throughput against aws-jwt-verify`, value: aws.ratio, unit: "x" },
      { name: `${name}, with a promise, throughput against jose`, value: jose.ratio, unit: "x" },
    );
  }
  return figures;
}

/** Each call timed by itself, the reading of the clock included; in microseconds. The quietest of a few times counts. */
async function measureP50(verifier: Verifier, tokens: readonly string[]): Promise<number> {
  const next = turns(tokens);
  const p50s: number[] = [];
  for (let time = 0; time < P50_TIMES; time++) {
    const bench = new Bench({ time: 200, throws: true }).add("a call", () => verifier.verify(next()));
    const [task] = await bench.run();
    if (task?.result.state !== "completed") throw new Error("the calls were not measured");
    p50s.push(task.result.latency.p50 * 1_000);
  }
  return Math.min(...p50s);
}

async function measureCold(minter: Minter, { jose }: Peers): Promise<Figure[]> {
  const name = `verify ${minter.algorithm}, never seen before`;
  const max = MOST_COLD[minter.algorithm];
  const measure = async (gather: typeof awaited): Promise<Comparison> => {
    // Each token is verified once by each of the two; the cache is in use, as it is in a service.
    const tokens = Array.from({ length: timesInAll(COLD_TIMES) }, () => minter.mint());
    await using verifier = openVerifier(minter);
    return await compare(
      gather(jose, tokens),
      gather((token) => verifier.verify(token), tokens),
      COLD_TIMES,
    );
  };
  const inTurn = await measure(awaited);
  const atOnce = await measure(gathered);
  return [
    { name: `${name}, time`, value: inTurn.otherNs / 1_000, unit: "µs" },
    { name: `${name}, time against jose`, value: inTurn.ratio, unit: "x", max },
    { name: `${name}, ${COLD_TIMES} at once, time against jose`, value: atOnce.ratio, unit: "x" },
  ];
}

/** A verifier as a service has it: limits by default, keys as an issuer publishes them. */
function openVerifier({ issuer, audience, algorithm, jwks }: Minter): Verifier {
  const trusted: VerifierOptions["issuers"][number] = {
    issuer,
    audience,
    algorithms: [algorithm],
    jwksUri: "https://idp.example/jwks.json",
    jwksOptions: {
      fetch: async () => new Response(JSON.stringify(jwks), { headers: { "content-type": "application/json" } }),
    },
  };
  return createVerifier({ issuers: [trusted] });
}

/** Verifies one token after the other, for libraries that give promises. */
function awaited(verify: (token: string) => Promise<unknown>, tokens: readonly string[]): Work {
  const next = turns(tokens);
  return async (times) => {
    for (let index = 0; index < times; index++) await verify(next());
  };
}

/** The same for libraries that do not. */
function called(verify: Verify, tokens: readonly string[]): Work {
  const next = turns(tokens);
  return async (times) => {
    for (let index = 0; index < times; index++) verify(next());
  };
}

/** Verifies all of a round at once. */
function gathered(verify: (token: string) => Promise<unknown>, tokens: readonly string[]): Work {
  const next = turns(tokens);
  return async (times) => {
    await Promise.all(Array.from({ length: times }, () => verify(next())));
  };
}

function turns(tokens: readonly string[]): () => string {
  let turn = 0;
  return () => {
    if (turn === tokens.length) turn = 0;
    return tokens[turn++] ?? "";
  };
}
