// What bearerAuth costs: a call with a token in hand, a roll-over under load, and a server that refuses everything.
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  ConnectError,
  createContextValues,
  type Interceptor,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { TokenRejectedError, toConnectError } from "latchkey";
import { bearerAuth, type Clock, generateSigningKey, signedJwt, type TokenSource } from "latchkey/client";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { Figure } from "./figure.ts";
import { median, percentile } from "./rounds.ts";
import { usedBytes } from "./used-bytes.ts";

type Next = ReturnType<Interceptor>;

const WARM_ROUNDS = 600;
const WARM_UP_ROUNDS = 100;
// Half a millisecond: most rounds then pass without the machine turning to something else.
const CALLS_PER_ROUND = 250;
const MANY_CALLS = 1_000_000;
const AT_ONCE = 10_000;
const ROLL_OVERS = 15;
const LIFETIME_SECONDS = 3_600;
const REFUSED_SECONDS = 60;
const REFUSED_PER_SECOND = 50;

/** Time and memory per call, requests to the source, calls on the wire. */
export async function measureClient(): Promise<Figure[]> {
  return [...(await measureWarm()), ...(await measureRollOver()), ...(await measureRefusals())];
}

async function measureWarm(): Promise<Figure[]> {
  const { source } = await createSource();
  const answer = createAnswer();
  const bare: Next = async () => answer;
  const authorized = bearerAuth(source)(bare);
  const req = createRequest();
  const addedNs: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + WARM_ROUNDS; round++) {
    const [first, second] = round % 2 === 0 ? [bare, authorized] : [authorized, bare];
    const firstNs = await timeOf(first, req);
    const secondNs = await timeOf(second, req);
    if (round >= WARM_UP_ROUNDS) addedNs.push(Math.abs(secondNs - firstNs));
  }
  const before = usedBytes();
  for (let call = 0; call < MANY_CALLS; call++) await authorized(req);
  const grownMb = (usedBytes() - before) / 1024 / 1024;
  return [
    // The quieter rounds: what the neighbours on the machine do to the others is not the cost of the code.
    { name: "bearerAuth, token in hand, adds to a call", value: percentile(addedNs, 0.25) / 1_000, unit: "µs", max: 3 },
    { name: "the same, median", value: median(addedNs) / 1_000, unit: "µs" },
    { name: "bearerAuth, memory after 1,000,000 calls", value: grownMb, unit: "MB", max: 1 },
  ];
}

/** Ten thousand calls under way at once, while the token is replaced and while it is not, in turns. */
async function measureRollOver(): Promise<Figure[]> {
  const clock = createMovableClock();
  const { source, requests } = await createSource(clock);
  const authorized = bearerAuth(source, { clock })(overTheNetwork);
  const req = createRequest();
  await authorized(req);
  for (const _ of [1, 2, 3]) await callAtOnce(authorized, req);
  const ratios: number[] = [];
  const steadyMs: number[] = [];
  const requestsPerRollOver: number[] = [];
  for (let round = 0; round < ROLL_OVERS; round++) {
    const steady = percentile(await callAtOnce(authorized, req), 0.99);
    const requestsBefore = requests();
    clock.advance(LIFETIME_SECONDS * 0.85 * 1_000);
    const rolling = percentile(await callAtOnce(authorized, req), 0.99);
    // The next steady round has the new token.
    await authorized(req);
    requestsPerRollOver.push(requests() - requestsBefore);
    steadyMs.push(steady);
    ratios.push(rolling / steady);
  }
  const name = "10,000 calls at once over a roll-over";
  return [
    { name: `${name}, requests to the source, fewest`, value: Math.min(...requestsPerRollOver), unit: "", min: 1 },
    { name: `${name}, requests to the source, most`, value: Math.max(...requestsPerRollOver), unit: "", max: 1 },
    { name: `${name}, p99 without one`, value: median(steadyMs), unit: "ms" },
    { name: `${name}, p99 against calls without one`, value: median(ratios), unit: "x", max: 1.5 },
  ];
}

/** A minute of calls to a server that takes no token. */
async function measureRefusals(): Promise<Figure[]> {
  const clock = createMovableClock();
  const { source, requestedAtMs } = await createSource(clock);
  let sent = 0;
  const refusing: Next = async () => {
    sent++;
    throw toConnectError(new TokenRejectedError("ERR_TOKEN_SIGNATURE", "not accepted"));
  };
  const authorized = bearerAuth(source, { clock })(refusing);
  const req = createRequest();
  let calls = 0;
  let mostPerCall = 0;
  for (let second = 0; second < REFUSED_SECONDS; second++) {
    for (let call = 0; call < REFUSED_PER_SECOND; call++) {
      const before = sent;
      await refusal(authorized(req));
      calls++;
      mostPerCall = Math.max(mostPerCall, sent - before);
    }
    await Promise.all(Array.from({ length: REFUSED_PER_SECOND }, () => refusal(authorized(req))));
    calls += REFUSED_PER_SECOND;
    clock.advance(1_000);
  }
  const within10s = requestedAtMs.map((from) => requestedAtMs.filter((at) => at >= from && at < from + 10_000).length);
  const name = "a server that refuses every call for a minute";
  return [
    { name: `${name}, most requests to the source in 10 s`, value: Math.max(...within10s), unit: "", min: 1, max: 2 },
    { name: `${name}, most calls for a call`, value: mostPerCall, unit: "", min: 1, max: 2 },
    { name: `${name}, calls for a call on average`, value: sent / calls, unit: "", min: 1, max: 2 },
  ];
}

/** A source that signs, as most do, and counts. */
async function createSource(clock?: Clock) {
  const { key } = await generateSigningKey();
  const signed = signedJwt({ key, issuer: "bench", lifetimeSeconds: LIFETIME_SECONDS, ...(clock && { clock }) });
  const requestedAtMs: number[] = [];
  const source: TokenSource = {
    getToken(request) {
      requestedAtMs.push(clock?.monotonicMs() ?? 0);
      return signed.getToken(request);
    },
  };
  return { source, requestedAtMs, requests: () => requestedAtMs.length };
}

function createRequest(): UnaryRequest {
  const method = EchoService.method.unary;
  return {
    stream: false,
    service: EchoService,
    method,
    requestMethod: "POST",
    url: `https://jobs.example/${EchoService.typeName}/${method.name}`,
    signal: new AbortController().signal,
    // What a transport of connect-node has set by then.
    header: new Headers({
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      "user-agent": "connect-es/2.2.0 (bench)",
    }),
    contextValues: createContextValues(),
    message: create(method.input, { text: "hi" }),
  };
}

function createAnswer(): UnaryResponse {
  const method = EchoService.method.unary;
  return {
    stream: false,
    service: EchoService,
    method,
    header: new Headers(),
    trailer: new Headers(),
    message: create(method.output),
  };
}

const overTheNetwork: Next = async () => {
  await setImmediate();
  return createAnswer();
};

async function timeOf(call: Next, req: UnaryRequest): Promise<number> {
  const startedMs = performance.now();
  for (let index = 0; index < CALLS_PER_ROUND; index++) await call(req);
  return ((performance.now() - startedMs) * 1_000_000) / CALLS_PER_ROUND;
}

/** Makes ten thousand calls in one go; gives how long each took, in milliseconds. */
function callAtOnce(call: Next, req: UnaryRequest): Promise<number[]> {
  return Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const startedMs = performance.now();
      await call(req);
      return performance.now() - startedMs;
    }),
  );
}

async function refusal(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return;
    throw error;
  }
  throw new Error("a call was not refused");
}

/** The machine's clock, which can be put forward. */
function createMovableClock(): Clock & { advance(ms: number): void } {
  let offsetMs = 0;
  return {
    nowMs: () => Date.now() + offsetMs,
    monotonicMs: () => performance.now() + offsetMs,
    setTimer(callback, delayMs) {
      const timer = setTimeout(callback, delayMs).unref();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
    advance(ms) {
      offsetMs += ms;
    },
  };
}
