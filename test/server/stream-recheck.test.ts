import { Code, ConnectError, createClient, createContextKey, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createServerAuth, type ExpiringStream, type ServerAuth, type StreamOptions } from "../../src/server.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { TrustedKey } from "../../src/verify.js";
import { createEchoService, type EchoFixture } from "../support/echo-service.js";
import { PROTOCOLS, type Protocol, type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

const SECOND = 1_000;
/** Claims of a token that leaves to the record what its caller may. */
const BY_RECORD = { roles: undefined, org: undefined };
const RECHECK_MS = 30 * SECOND;
/** Lifetime of tokens and tolerance of the server. */
const [LIFETIME_SECONDS, TOLERANCE_MS] = [60, 5 * SECOND];

let clock: ManualClock;
let issuer: TestIssuer;
/** The record of the caller's credential; undefined: there is none. */
let record: TrustedKey | undefined;
let auth: ServerAuth;
let server: RpcServer | undefined;
let ended: number;
/** How often a token was verified anew. */
let verified: number;
let echo: EchoFixture;

beforeEach(async () => {
  clock = createManualClock();
  issuer = await createTestIssuer({ clock });
  record = recordOf({ roles: ["tester"] });
  ended = 0;
  verified = 0;
  echo = createEchoService({
    async *serverStream(_, { signal }) {
      try {
        yield { text: "first" };
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      } finally {
        ended++;
      }
    },
  });
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
  await auth[Symbol.asyncDispose]();
});

function recordOf({ roles, org = "acme" }: { readonly roles: readonly string[]; readonly org?: string }): TrustedKey {
  const [key] = issuer.jwks().keys;
  if (key === undefined) throw new Error("the issuer has no key");
  return { key, principal: { principalId: "alice", org, roles } };
}

/** Serves the echo service to holders of credentials on record. */
async function start(protocol: Protocol, streams: StreamOptions = { recheckMs: RECHECK_MS }) {
  auth = createServerAuth({
    issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], findKey: async () => record }],
    streams,
    telemetry: {
      count(name) {
        if (name === "latchkey.verify.tokens") verified++;
      },
      record() {},
    },
    clock,
  });
  server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
  return createClient(EchoService, server.transport(protocol));
}

async function mint(lifetimeSeconds: number, claims = {}) {
  return { headers: { authorization: `Bearer ${await issuer.mint({ lifetimeSeconds, claims })}` } };
}

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => new Error("the call was answered"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return error;
}

/** Lets the time between two checks pass, and the check come to its end. */
async function passCheck(): Promise<void> {
  const before = verified;
  await clock.advance(RECHECK_MS);
  await until(() => verified > before);
  await clock.advance(0);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await clock.advance(0);
}

describe.each(PROTOCOLS)("a running stream over %s", (protocol) => {
  const taken: readonly (readonly [string, Code, string, () => void])[] = [
    [
      "roles were taken away",
      Code.PermissionDenied,
      "insufficient_scope",
      () => (record = recordOf({ roles: ["guest"] })),
    ],
    ["credential was revoked", Code.Unauthenticated, "invalid_token", () => (record = undefined)],
  ];
  it.each(taken)("E9: ends within the time between two checks once its caller's %s", async (_, code, reason, take) => {
    const client = await start(protocol);
    const answers = client.serverStream({ orgId: "acme" }, await mint(3_600, BY_RECORD))[Symbol.asyncIterator]();
    expect((await answers.next()).value?.text).toBe("first");
    const end = failureOf(answers.next());
    await passCheck();
    await passCheck();
    expect(ended).toBe(0);
    take();
    auth.forgetKey(issuer.issuer, issuer.kid);
    await clock.advance(RECHECK_MS);
    const { code: answered, metadata } = await end;
    expect([answered, metadata.get("www-authenticate")]).toEqual([code, `Bearer realm="latchkey", error="${reason}"`]);
    expect(ended).toBe(1);
    await until(() => clock.pendingTimers === 0);
  });

  it("F3: holds messages against what is on record of its caller by now", async () => {
    const client = await start(protocol);
    const next = Promise.withResolvers<void>();
    onTestFinished(() => next.resolve());
    const texts: string[] = [];
    async function* messages() {
      yield { orgId: "acme", text: "before" };
      await next.promise;
      yield { orgId: "moved", text: "after" };
      // The end of a stream may overtake the answers before it.
      await until(() => texts.length === 2);
      yield { orgId: "acme", text: "late" };
    }
    const read = async (): Promise<void> => {
      for await (const { text } of client.bidiStream(messages(), await mint(3_600, BY_RECORD))) texts.push(text);
    };
    const end = failureOf(read());
    await until(() => texts.length === 1);
    record = recordOf({ roles: ["tester"], org: "moved" });
    auth.forgetKey(issuer.issuer, issuer.kid);
    await passCheck();
    next.resolve();
    expect([(await end).code, texts]).toEqual([Code.PermissionDenied, ["before", "after"]]);
  });
});

describe("onExpiring", () => {
  const LEAD_MS = 10 * SECOND;

  it.each<readonly [string, () => unknown]>([
    ["returns", () => {}],
    [
      "throws",
      () => {
        throw new Error("bug");
      },
    ],
    ["rejects", () => Promise.reject(new Error("bug"))],
  ])("J6: is told once before the end of a stream, which comes in its time also when it %s", async (_, outcome) => {
    const told: (ExpiringStream & { readonly atMs: number })[] = [];
    const onExpiring = (stream: ExpiringStream): unknown => {
      told.push({ ...stream, atMs: clock.nowMs() });
      return outcome();
    };
    const client = await start("connect", { onExpiring, recheckMs: RECHECK_MS });
    const endsAtMs = (Math.floor(clock.nowMs() / SECOND) + LIFETIME_SECONDS) * SECOND + TOLERANCE_MS;
    const answers = client.serverStream({ orgId: "acme" }, await mint(LIFETIME_SECONDS))[Symbol.asyncIterator]();
    await answers.next();
    const end = failureOf(answers.next());
    await clock.advance(endsAtMs - LEAD_MS - clock.nowMs() - 1);
    expect(told).toEqual([]);
    await clock.advance(LEAD_MS);
    expect(told).toMatchObject([
      { endsAtMs, method: EchoService.method.serverStream, principal: { subject: "alice" }, atMs: endsAtMs - LEAD_MS },
    ]);
    expect(ended).toBe(0);
    await clock.advance(1);
    expect([(await end).code, ended, told.length]).toEqual([Code.Unauthenticated, 1, 1]);
    await until(() => clock.pendingTimers === 0);
  });

  it("finds the context values of the handler, and with them a way to a last message", async () => {
    const sayGoodbye = createContextKey<() => void>(() => {});
    echo = createEchoService({
      async *serverStream(_, { values }) {
        const goodbye = Promise.withResolvers<void>();
        values.set(sayGoodbye, goodbye.resolve);
        yield { text: "first" };
        await goodbye.promise;
        yield { text: "cursor" };
      },
    });
    const client = await start("connect", { onExpiring: ({ contextValues }) => contextValues.get(sayGoodbye)() });
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { text } of client.serverStream({ orgId: "acme" }, await mint(LIFETIME_SECONDS))) {
        texts.push(text);
      }
    };
    const reading = read();
    await until(() => texts.length === 1);
    await clock.advance(LIFETIME_SECONDS * SECOND - LEAD_MS + TOLERANCE_MS);
    await reading;
    expect(texts).toEqual(["first", "cursor"]);
  });

  it("is not told of a stream that is over before", async () => {
    const told: unknown[] = [];
    echo = createEchoService();
    const client = await start("connect", { onExpiring: (stream) => told.push(stream) });
    for await (const _ of client.serverStream({ orgId: "acme", count: 1 }, await mint(LIFETIME_SECONDS)));
    await until(() => clock.pendingTimers === 0);
    await clock.advance(2 * LIFETIME_SECONDS * SECOND);
    expect(told).toEqual([]);
  });
});

describe("expiryJitterMs", () => {
  it("J6: ends streams that began together apart, each before the token's end and none after", async () => {
    const jitterMs = 40 * SECOND;
    auth = createAuthFor(issuer, { clock, streams: { expiryJitterMs: jitterMs, recheckMs: 3_600 * SECOND } });
    const client = createClient(EchoService, createRouterTransport(auth.routes(echo.routes)));
    const options = await mint(LIFETIME_SECONDS);
    const endsAtMs = (Math.floor(clock.nowMs() / SECOND) + LIFETIME_SECONDS) * SECOND + TOLERANCE_MS;
    const endedAtMs: number[] = [];
    const streams = Array.from({ length: 40 }, async () => {
      const answers = client.serverStream({ orgId: "acme" }, options)[Symbol.asyncIterator]();
      await answers.next();
      const { code } = await failureOf(answers.next());
      endedAtMs.push(clock.nowMs());
      return code;
    });
    // None is left to be checked before it ends: each has one timer.
    await until(() => clock.pendingTimers >= streams.length);
    await clock.advance(endsAtMs - jitterMs - clock.nowMs() - 1);
    expect(endedAtMs).toEqual([]);
    await clock.advance(jitterMs + 1);
    expect(new Set(await Promise.all(streams))).toEqual(new Set([Code.Unauthenticated]));
    expect(Math.max(...endedAtMs)).toBeLessThanOrEqual(endsAtMs);
    // Chance puts all 40 into one half of the time once in 10^11 runs.
    const middleMs = endsAtMs - jitterMs / 2;
    expect(endedAtMs.filter((atMs) => atMs < middleMs)).not.toHaveLength(0);
    expect(endedAtMs.filter((atMs) => atMs >= middleMs)).not.toHaveLength(0);
    expect([ended, clock.pendingTimers]).toEqual([streams.length, 0]);
  });

  it("takes half of what a token has left at most, so that no stream ends as it begins", async () => {
    auth = createAuthFor(issuer, { clock, streams: { expiryJitterMs: 1e9, recheckMs: 3_600 * SECOND } });
    const client = createClient(EchoService, createRouterTransport(auth.routes(echo.routes)));
    const options = await mint(LIFETIME_SECONDS);
    const endsAtMs = (Math.floor(clock.nowMs() / SECOND) + LIFETIME_SECONDS) * SECOND + TOLERANCE_MS;
    let over = 0;
    const streams = Array.from({ length: 40 }, async () => {
      const answers = client.serverStream({ orgId: "acme" }, options)[Symbol.asyncIterator]();
      await answers.next();
      await failureOf(answers.next());
      over++;
    });
    await until(() => clock.pendingTimers >= streams.length);
    await clock.advance(Math.floor((endsAtMs - clock.nowMs()) / 2) - 1);
    expect(over).toBe(0);
    await clock.advance(endsAtMs - clock.nowMs());
    await Promise.all(streams);
  });
});
