import { exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeldKeySet, type HeldKeySet } from "../../src/jwks/held-key-set.js";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import { type JwksFetch, type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import { type AcquireSlot, createLoadKeySet, type LoadKeySet } from "../../src/jwks/load-key-set.js";
import { createJwksMeasurements } from "../../src/jwks/measurements.js";
import { acquireNothing } from "../../src/jwks/open-jwks.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createJwksEvents, type JwksEvents } from "../support/jwks-events.js";
import { type JwksAnswer, type JwksServer, startJwksServer } from "../support/jwks-server.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const URL_OF_SET = "https://issuer.test/jwks.json";
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const never = new AbortController().signal;

describe("createLoadKeySet()", () => {
  let clock: ManualClock;
  let held: HeldKeySet;
  let issuer: TestIssuer;
  let events: JwksEvents;
  beforeEach(async () => {
    clock = createManualClock();
    held = createHeldKeySet(0, clock);
    issuer = await createTestIssuer();
    events = createJwksEvents();
  });

  function create(options: JwksOptions, acquireSlot: AcquireSlot = acquireNothing, into = held): LoadKeySet {
    const settings = resolveJwksOptions({ clock, onEvent: events.onEvent, ...options }, "options");
    const rules = { allowLoopbackHttp: false, allowedDomains: undefined };
    const measurements = createJwksMeasurements(settings.telemetry, settings.labels);
    return createLoadKeySet({ href: URL_OF_SET, rules, acquireSlot }, settings, into, measurements);
  }

  it("sends one request to the one URL, and holds its answer for as long as it says", async () => {
    const urls: string[] = [];
    const load = create({
      fetch: async (url) => {
        urls.push(url);
        return Response.json(issuer.jwks(), { headers: { "cache-control": "max-age=120" } });
      },
    });
    expect(await load(never)).toBe(true);
    expect(urls).toEqual([URL_OF_SET]);
    expect(held.latest()).toMatchObject({ sequence: 1, requestedAtMs: 0, ttlMs: 120_000 });
    expect(clock.pendingTimers).toBe(0);
    expect(await load(never)).toBe(false);
    expect(held.latest()?.sequence).toBe(2);
  });

  it("H7: counts the age of a set from when it was asked for, however long the answer took", async () => {
    const load = create({
      fetch: async () => {
        await clock.advance(2_000);
        return Response.json(issuer.jwks());
      },
    });
    await load(never);
    expect(held.latest()?.requestedAtMs).toBe(0);
  });

  it("H11: gives one request its own deadline, its body included", async () => {
    const load = create({
      attemptTimeoutMs: 500,
      fetch: async () => new Response(new ReadableStream(), { headers: { "content-type": "application/json" } }),
    });
    const refused = expect(load(never)).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(0);
    await clock.advance(500);
    await refused;
    expect(clock.pendingTimers).toBe(0);
  });

  it("H17: numbers requests in the order they were sent, and keeps the answer of the later one", async () => {
    const answers = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()];
    let sent = 0;
    const load = create({ fetch: () => answers[sent++]?.promise ?? Promise.reject(new Error("one too many")) });
    const [older, newer] = [load(never), load(never)];
    const before = Response.json(issuer.jwks());
    await issuer.rotate();
    answers[1]?.resolve(Response.json(issuer.jwks()));
    expect(await newer).toBe(true);
    answers[0]?.resolve(before);
    expect(await older).toBe(false);
    expect([...(held.latest()?.keySet.keys.keys() ?? [])]).toEqual(["test-key-1", "test-key-2"]);
    expect(held.latest()?.sequence).toBe(2);
  });

  it("keeps one object of each key when two answers are read at the same time", async () => {
    const answers = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()];
    let sent = 0;
    let changes = 0;
    held.onChange(() => changes++);
    const load = create({ fetch: () => answers[sent++]?.promise ?? Promise.reject(new Error("one too many")) });
    const both = [load(never), load(never)];
    for (const { resolve } of answers) resolve(Response.json(issuer.jwks()));
    expect(await Promise.all(both)).toEqual([true, false]);
    expect(changes).toBe(1);
    expect(held.latest()?.sequence).toBe(2);
  });

  it("H13: leaves what is held alone when the answer is no usable set", async () => {
    let body: unknown = issuer.jwks();
    const load = create({ fetch: async () => Response.json(body) });
    await load(never);
    const before = held.latest();
    for (const unusable of [
      { keys: [] },
      { keys: [{ kty: "oct", kid: "o", k: "AA" }] },
      null,
      "keys",
      [],
      { keys: {} },
    ]) {
      body = unusable;
      await expect(load(never)).rejects.toMatchObject(INVALID);
      expect(held.latest()).toBe(before);
    }
  });

  describe("turns", () => {
    it("sends nothing before its turn comes, and gives the turn back however the request ends", async () => {
      const turn = Promise.withResolvers<void>();
      let sent = 0;
      let given = 0;
      const acquireSlot: AcquireSlot = async () => {
        await turn.promise;
        given++;
        return { [Symbol.dispose]: () => void given-- };
      };
      let answer = (): Response => Response.json(issuer.jwks());
      const fetch: JwksFetch = async () => {
        sent++;
        expect(given).toBe(1);
        return answer();
      };
      const load = create({ fetch }, acquireSlot);
      const loading = load(never);
      await clock.advance(0);
      expect(sent).toBe(0);
      await clock.advance(SECOND);
      turn.resolve();
      await loading;
      // The time in the queue is not the set's.
      expect(held.latest()?.requestedAtMs).toBe(SECOND);
      answer = () => new Response(null, { status: 500 });
      await expect(load(never)).rejects.toMatchObject(UNAVAILABLE);
      expect({ sent, given }).toEqual({ sent: 2, given: 0 });
    });

    it("sends nothing when it is refused one", async () => {
      let sent = 0;
      const fetch: JwksFetch = async () => {
        sent++;
        return Response.json(issuer.jwks());
      };
      const load = create({ fetch }, () => Promise.reject(new Error("gone")));
      await expect(load(never)).rejects.toThrow("gone");
      expect(sent).toBe(0);
    });
  });

  it("H16: stores no set, and tells nobody of one, when it is disposed while the keys are imported", async () => {
    const disposal = new AbortController();
    let stored = 0;
    let looks = 0;
    const endingMeanwhile: HeldKeySet = {
      ...held,
      // Looked at before the request is sent, and again when its keys are to be imported.
      latest() {
        if (++looks === 2) disposal.abort(new Error("disposed"));
        return held.latest();
      },
      store: () => ++stored > 0,
    };
    const keys = [...issuer.jwks().keys, await leakedKey()];
    const load = create({ fetch: async () => Response.json({ keys }) }, acquireNothing, endingMeanwhile);
    await expect(load(disposal.signal)).rejects.toThrow("disposed");
    expect(looks).toBe(2);
    expect(stored).toBe(0);
    expect(events.all).toEqual([]);
  });

  it("L3: records how many keys were left out by reason, and nothing that the publisher wrote", async () => {
    const recorded: [string, number, unknown][] = [];
    const load = create({
      labels: { tenant: "acme" },
      telemetry: { count() {}, record: (name, value, labels) => void recorded.push([name, value, labels]) },
      fetch: async () => {
        const { keys } = issuer.jwks();
        const [first] = keys;
        return Response.json({
          keys: [...keys, { ...first, kid: "enc", use: "enc" }, { ...first, kid: "sig ", use: "sig " }, null, 7],
        });
      },
    });
    await load(never);
    expect(recorded).toEqual(
      expect.arrayContaining([
        ["latchkey.jwks.unusable_keys", 2, { tenant: "acme", reason: "not an object" }],
        ["latchkey.jwks.unusable_keys", 1, { tenant: "acme", reason: "use" }],
        ["latchkey.jwks.unusable_keys", 1, { tenant: "acme", reason: "kid" }],
      ]),
    );
    expect(recorded).toHaveLength(3);
  });

  it.each([
    ["H15", "no keys", () => []],
    ["H15", "no usable keys", () => [null]],
    ["A15", "private key", async () => [...issuer.jwks().keys, await leakedKey()]],
    ["A14", "symmetric key", () => [...issuer.jwks().keys, { kty: "oct", kid: "s", k: "c2VjcmV0" }]],
  ])("%s: raises the alarm about %s once per answer that has it", async (_id, reason, publish) => {
    let keys: unknown = await publish();
    const load = create({ fetch: async () => Response.json({ keys }) });
    for (let answers = 1; answers <= 3; answers++) {
      await load(never).catch(() => {});
      expect(events.of("alarm")).toEqual(Array.from({ length: answers }, () => ({ type: "alarm", reason })));
    }
    keys = issuer.jwks().keys;
    await load(never);
    expect(events.of("alarm")).toHaveLength(3);
  });
});

async function leakedKey(): Promise<object> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: "leaked" };
}

describe("conditional requests", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let server: JwksServer;
  let jwks: Jwks;
  let events: JwksEvents;
  let version: number;
  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    events = createJwksEvents();
    version = 1;
    server = await startJwksServer(publishing);
    jwks = create();
  });
  afterEach(async () => {
    jwks[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(options: JwksOptions = {}): Jwks {
    return createJwks(server.url, {
      allowLoopbackHttp: true,
      clock,
      retries: 0,
      refreshJitterMs: 0,
      onEvent: events.onEvent,
      ...options,
    });
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  /** A server as it should be: the set with its ETag, or that it has not changed. */
  function publishing(hit: number): JwksAnswer {
    const etag = `"v${version}"`;
    const headers = { etag, "cache-control": "max-age=600" };
    return askedFor(hit)["if-none-match"] === etag ? { status: 304, headers } : { body: issuer.jwks(), headers };
  }
  function askedFor(hit: number): Readonly<Record<string, string | string[] | undefined>> {
    return server.requests[hit - 1]?.headers ?? {};
  }
  const conditionsOf = (hit: number): unknown => {
    const { "if-none-match": etag, "if-modified-since": since } = askedFor(hit);
    return { etag, since };
  };

  it("H8: asks with the validators of the body in hand, and with none before", async () => {
    const since = "Tue, 06 May 2031 07:08:09 GMT";
    server.answer({ body: issuer.jwks(), headers: { etag: '"v1"', "last-modified": since } });
    await jwks.getKey(query());
    expect(conditionsOf(1)).toEqual({ etag: undefined, since: undefined });
    server.answer({ body: issuer.jwks(), headers: { etag: 'W/"v2"' } });
    await jwks.refresh();
    expect(conditionsOf(2)).toEqual({ etag: '"v1"', since });
    server.answer({ body: issuer.jwks() });
    await jwks.refresh();
    expect(conditionsOf(3)).toEqual({ etag: 'W/"v2"', since: undefined });
    await jwks.refresh();
    expect(conditionsOf(4)).toEqual({ etag: undefined, since: undefined });
  });

  it("H8: a confirmation renews freshness and stale window, and changes no key", async () => {
    const key = await jwks.getKey(query());
    const startMs = clock.nowMs();
    let changes = 0;
    jwks.onChange(() => changes++);
    await clock.advance(5 * MINUTE);
    await jwks.refresh();
    expect(server.requests).toHaveLength(2);
    expect(jwks.status()).toMatchObject({
      ageMs: 0,
      fetchedAtMs: startMs + 5 * MINUTE,
      expiresAtMs: startMs + 15 * MINUTE,
      usableUntilMs: startMs + 25 * MINUTE,
      nextRefreshAtMs: startMs + 14.5 * MINUTE,
    });
    expect(await jwks.getKey(query())).toBe(key);
    expect(changes).toBe(0);
    expect(events.of("refreshed").at(-1)).toMatchObject({ changed: false });
    server.answer({ status: 500 });
    await clock.advance(20 * MINUTE - 1);
    expect(jwks.peekKey(query())).toBe(key);
    await clock.advance(1);
    expect(jwks.peekKey(query())).toBeUndefined();
  });

  it("H8: a confirmation after the stale window makes the very same keys serve again", async () => {
    const key = await jwks.getKey(query());
    server.answer({ status: 500 });
    await clock.advance(20 * MINUTE);
    expect(jwks.status().usable).toBe(false);
    server.answer(publishing);
    await jwks.refresh();
    expect(askedFor(server.hits)["if-none-match"]).toBe('"v1"');
    expect(jwks.peekKey(query())).toBe(key);
  });

  it("H8: a confirmation may say anew how long the set is fresh", async () => {
    await jwks.getKey(query());
    server.answer({ status: 304, headers: { "cache-control": "max-age=60" } });
    await jwks.refresh();
    expect(ttlOf(jwks)).toBe(MINUTE);
    server.answer({ status: 304 });
    await jwks.refresh();
    expect(ttlOf(jwks)).toBe(MINUTE);
  });

  it("H8: a confirmation without a body in hand is a failure", async () => {
    server.answer({ status: 304, headers: { etag: '"v1"' } });
    await expect(jwks.getKey(query())).rejects.toMatchObject(INVALID);
    expect(jwks.status()).toMatchObject({ state: "empty", usable: false, lastFailure: "ERR_KEYS_INVALID" });
  });

  it("H8: a confirmation that nobody asked for is a failure", async () => {
    server.answer({ body: issuer.jwks() });
    const key = await jwks.getKey(query());
    server.answer({ status: 304 });
    await expect(jwks.refresh()).rejects.toMatchObject(INVALID);
    expect(jwks.peekKey(query())).toBe(key);
  });

  it("H8: takes the new body when its ETag has changed", async () => {
    await jwks.getKey(query());
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    version = 2;
    await jwks.refresh();
    expect(jwks.status().kids).toEqual([issuer.kid]);
    await jwks.refresh();
    expect(conditionsOf(3)).toMatchObject({ etag: '"v2"' });
    expect(events.of("refreshed").map(({ changed }) => changed)).toEqual([true, true, false]);
  });

  it("H8: takes an ETag that compression has weakened for the same", async () => {
    server.answer({ body: issuer.jwks(), headers: { etag: 'W/"v1"' } });
    await jwks.getKey(query());
    server.answer({ status: 304, headers: { etag: '"v1"' } });
    await jwks.refresh();
    await jwks.refresh();
    expect(conditionsOf(3)).toMatchObject({ etag: 'W/"v1"' });
    expect(jwks.status().consecutiveFailures).toBe(0);
  });

  it("E9: a confirmation of another ETag renews nothing, and the set is asked for as a whole", async () => {
    await jwks.getKey(query());
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    server.answer({ status: 304, headers: { etag: '"v2"' } });
    await clock.advance(MINUTE);
    await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
    expect(jwks.status()).toMatchObject({ ageMs: MINUTE, consecutiveFailures: 1 });
    server.answer((hit) =>
      askedFor(hit)["if-none-match"] === undefined
        ? { body: issuer.jwks(), headers: { etag: '"v2"' } }
        : { status: 304, headers: { etag: '"v2"' } },
    );
    await jwks.refresh();
    expect(conditionsOf(3)).toEqual({ etag: undefined, since: undefined });
    expect(jwks.status().kids).toEqual([issuer.kid]);
    await jwks.refresh();
    expect(conditionsOf(4)).toMatchObject({ etag: '"v2"' });
  });

  it("E9: a confirmation of another ETag is repeated as a whole within the same refresh", async () => {
    jwks[Symbol.dispose]();
    jwks = create({ retries: 1, retryMinDelayMs: 0 });
    await jwks.getKey(query());
    server.answer((hit) =>
      askedFor(hit)["if-none-match"] === undefined
        ? { body: issuer.jwks(), headers: { etag: '"v2"' } }
        : { status: 304, headers: { etag: '"v2"' } },
    );
    const refreshed = jwks.refresh();
    await server.reached(2);
    // The wait of no time before the repetition begins when the answer has come.
    while (server.hits < 3) await clock.advance(0);
    await refreshed;
    expect(jwks.status().consecutiveFailures).toBe(0);
  });

  it("H17: a late confirmation of an older body does not replace the one that came meanwhile", async () => {
    await jwks.getKey(query());
    const gate = Promise.withResolvers<void>();
    server.answer({ status: 304, headers: { etag: '"v1"' }, after: gate.promise });
    const stranger = expect(jwks.getKey(query("stranger"))).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    await server.reached(2);
    await clock.advance(SECOND);
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    version = 2;
    server.answer(publishing);
    await jwks.refresh();
    gate.resolve();
    await stranger;
    expect(conditionsOf(2)).toEqual(conditionsOf(3));
    expect(jwks.status()).toMatchObject({ kids: [issuer.kid], ageMs: 0 });
    await jwks.refresh();
    expect(conditionsOf(4)).toMatchObject({ etag: '"v2"' });
  });
});

function ttlOf(jwks: Jwks): number {
  const { expiresAtMs = Number.NaN, fetchedAtMs = Number.NaN } = jwks.status();
  return expiresAtMs - fetchedAtMs;
}
