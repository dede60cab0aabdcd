import { Agent, fetch as undiciFetch } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeysUnavailableError } from "../../src/errors.js";
import type { Jwks } from "../../src/jwks/jwks.js";
import { type JwksFetch, type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import type { AcquireSlot } from "../../src/jwks/load-key-set.js";
import { acquireNothing, openJwks } from "../../src/jwks/open-jwks.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createJwksEvents, type JwksEvents } from "../support/jwks-events.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { startTypescript } from "../support/typescript-process.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

function open(href: string, options: JwksOptions, acquireSlot: AcquireSlot = acquireNothing): Jwks {
  const rules = { allowLoopbackHttp: true, allowedDomains: undefined };
  return openJwks({ href, rules, acquireSlot }, resolveJwksOptions({ allowLoopbackHttp: true, ...options }, "options"));
}

describe("openJwks()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let server: JwksServer;
  let events: JwksEvents;
  let jwks: Jwks;
  let requests: number;
  /** Where requests go instead, when set. */
  let detour: JwksFetch | undefined;
  beforeEach(async () => {
    clock = createManualClock(Date.UTC(2031, 4, 6));
    issuer = await createTestIssuer();
    events = createJwksEvents();
    server = await startJwksServer(() => ({ body: issuer.jwks() }));
    requests = 0;
    detour = undefined;
    jwks = create();
  });
  afterEach(async () => {
    jwks[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(options: JwksOptions = {}, acquireSlot?: AcquireSlot): Jwks {
    const fetch: JwksFetch = (url, init) => {
      requests++;
      return (detour ?? globalThis.fetch)(url, init);
    };
    const common = { clock, retries: 0, refreshJitterMs: 0, onEvent: events.onEvent, fetch };
    return open(server.url, { ...common, ...options }, acquireSlot);
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });

  it("H10: asks the fetch at once whether it will ever send anything there", () => {
    const hosts: string[] = [];
    const fetch = Object.assign(async () => Response.json({}), {
      assertHost(hostname: string) {
        hosts.push(hostname);
        throw new TypeError("private");
      },
    });
    expect(() => open("https://idp.example:8443/jwks.json", { fetch })).toThrow("private");
    expect(hosts).toEqual(["idp.example"]);
  });

  it("H7: does not say that a key is not published when the set that says so has ended already", async () => {
    const late = create({ minTtlMs: 1, maxTtlMs: SECOND, staleWhileErrorMs: 0 });
    const gate = Promise.withResolvers<void>();
    server.answer({ body: issuer.jwks(), after: gate.promise });
    const waiting = [late.getKey(query()), late.getPublicKeys(), late.getPublicKeys({ kid: issuer.kid })];
    await server.reached(1);
    await clock.advance(SECOND);
    gate.resolve();
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: UNAVAILABLE });
    }
    late[Symbol.dispose]();
  });

  describe("faults", () => {
    const hang = new Promise<never>(() => {});
    async function* cut(): AsyncGenerator<string> {
      yield '{"keys":[';
      throw new Error("cut");
    }
    async function* stalled(): AsyncGenerator<string> {
      yield '{"keys":[';
      await hang;
    }
    const to =
      (url: () => string): JwksFetch =>
      (_url, init) =>
        globalThis.fetch(url(), init);
    const closedPort = async (): Promise<string> => {
      const closed = await startJwksServer();
      await closed[Symbol.asyncDispose]();
      return closed.url;
    };
    const noSuchName = new Agent({
      connect: {
        lookup: (hostname, _options, callback) =>
          callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND" }), []),
      },
    });

    interface Fault {
      readonly name: string;
      apply(): void | Promise<void>;
      /** Ends only by our deadline. */
      readonly hangs?: true;
      readonly retryAfterMs?: number;
      readonly cause?: string;
    }
    const faults: readonly Fault[] = [
      { name: "status 500", apply: () => server.answer({ status: 500 }) },
      { name: "status 502", apply: () => server.answer({ status: 502 }) },
      {
        name: "status 503 with Retry-After in seconds",
        apply: () => server.answer({ status: 503, headers: { "retry-after": "45" } }),
        retryAfterMs: 45 * SECOND,
      },
      {
        name: "status 429 with Retry-After as a date",
        apply: () =>
          server.answer(() => ({
            status: 429,
            headers: { "retry-after": new Date(clock.nowMs() + 90 * SECOND).toUTCString() },
          })),
        retryAfterMs: 90 * SECOND,
      },
      { name: "a reset connection", apply: () => server.answer({ reset: true }) },
      { name: "no answer", apply: () => server.answer({ after: hang }), hangs: true },
      { name: "a body that stalls", apply: () => server.answer({ body: stalled() }), hangs: true },
      {
        name: "a body that is cut off",
        apply: () => server.answer(() => ({ headers: { "content-length": "1000" }, body: cut() })),
      },
      {
        name: "a name that nobody knows",
        apply() {
          detour = (_url, init) =>
            undiciFetch("http://issuer.test/jwks.json", {
              ...(init as object),
              dispatcher: noSuchName,
            }) as unknown as Promise<Response>;
        },
        cause: "ENOTFOUND",
      },
      {
        name: "a port where nobody listens",
        async apply() {
          const url = await closedPort();
          detour = to(() => url);
        },
        cause: "ECONNREFUSED",
      },
      {
        name: "a port that does not speak TLS",
        apply() {
          detour = to(() => server.url.replace("http:", "https:"));
        },
        cause: "SSL",
      },
    ];

    /** Begins work that the fault makes fail, and gives its failure. */
    async function failing(fault: Fault, begin: () => Promise<unknown>): Promise<unknown> {
      const hits = server.hits;
      const failure = begin().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (fault.hangs) {
        await server.reached(hits + 1);
        await clock.advance(3 * SECOND);
      }
      return failure;
    }

    it.each(faults)(
      "H6: cold, $name: refused as unavailable, and nothing is asked until the pause ends",
      async (fault) => {
        await fault.apply();
        const error = await failing(fault, () => jwks.getKey(query()));
        const pauseMs = Math.max(30 * SECOND - clock.monotonicMs(), fault.retryAfterMs ?? 0);
        expect(error).toMatchObject({ ...UNAVAILABLE, retryAfterMs: pauseMs });
        if (fault.cause !== undefined) expect(causesOf(error)).toContain(fault.cause);
        expect(requests).toBe(1);
        await clock.advance(pauseMs - 1);
        await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 1 });
        expect(requests).toBe(1);
        expect(jwks.status()).toMatchObject({ state: "empty", usable: false, consecutiveFailures: 1 });
        detour = undefined;
        server.answer(() => ({ body: issuer.jwks() }));
        await clock.advance(1);
        await expect(jwks.getKey(query())).resolves.toBeDefined();
      },
    );

    it.each(faults)("H6: warm, $name: serves at once, fresh and stale", async (fault) => {
      const key = await jwks.getKey(query());
      await fault.apply();
      const servedMeanwhile: CryptoKey[] = [];
      const refreshing = async (): Promise<void> => {
        const refreshed = jwks.refresh();
        servedMeanwhile.push(await jwks.getKey(query()));
        await refreshed;
      };
      expect(await failing(fault, refreshing)).toMatchObject(UNAVAILABLE);
      expect(await jwks.getKey(query())).toBe(key);
      expect(jwks.status()).toMatchObject({ usable: true, stale: false, lastFailure: "ERR_KEYS_UNAVAILABLE" });
      detour = () => Promise.reject(new Error("away"));
      await clock.advance(10 * MINUTE);
      expect(jwks.status()).toMatchObject({ usable: true, stale: true });
      detour = undefined;
      await fault.apply();
      expect(await failing(fault, refreshing)).toMatchObject(UNAVAILABLE);
      expect(await jwks.getKey(query())).toBe(key);
      expect(servedMeanwhile).toEqual([key, key]);
    });

    it.each(faults)(
      "H6: past the stale window, $name: refused as unavailable, with the time to wait",
      async (fault) => {
        await jwks.getKey(query());
        detour = () => Promise.reject(new Error("away"));
        await clock.advance(20 * MINUTE);
        const { usable, nextRefreshAtMs = 0 } = jwks.status();
        expect(usable).toBe(false);
        expect(waitOf(await jwks.getKey(query()).catch((error: unknown) => error))).toBeGreaterThan(0);
        detour = undefined;
        await fault.apply();
        const failure = await failing(fault, async () => {
          await clock.advance(nextRefreshAtMs - clock.nowMs());
          await jwks.getKey(query());
        });
        expect(failure).toMatchObject(UNAVAILABLE);
        const longestMs = Math.max(30 * SECOND, fault.retryAfterMs ?? 0);
        expect(waitOf(failure) > 0 && waitOf(failure) <= longestMs).toBe(true);
        detour = undefined;
        server.answer(() => ({ body: issuer.jwks() }));
        await jwks.refresh();
        await expect(jwks.getKey(query())).resolves.toBeDefined();
      },
    );
  });

  describe("disposal", () => {
    const never = new Promise<never>(() => {});

    /** Disposes while a caller waits, and tells what was left. */
    async function endWhile(waiting: Promise<unknown>, cache: Jwks): Promise<void> {
      const unhandled: unknown[] = [];
      const listen = (reason: unknown): void => void unhandled.push(reason);
      process.on("unhandledRejection", listen);
      const heard = events.all.length;
      const refused = expect(waiting).rejects.toMatchObject(UNAVAILABLE);
      cache[Symbol.dispose]();
      await refused;
      await clock.advance(60 * MINUTE);
      process.off("unhandledRejection", listen);
      expect(unhandled).toEqual([]);
      expect(events.all.slice(heard)).toEqual([]);
      expect(clock.pendingTimers).toBe(0);
      expect(cache.status()).toMatchObject({ usable: false, nextRefreshAtMs: undefined });
    }

    it("H16: before anything was asked", async () => {
      jwks[Symbol.dispose]();
      jwks[Symbol.dispose]();
      await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwks.getPublicKeys()).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwks.getPublicKeys({ kid: issuer.kid })).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
      expect(requests).toBe(0);
      expect(clock.pendingTimers).toBe(0);
    });

    it("H16: while the request waits for its turn", async () => {
      let gone = 0;
      const acquireSlot: AcquireSlot = (signal) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            gone++;
            reject(signal.reason);
          }),
        );
      const queued = create({}, acquireSlot);
      const waiting = queued.getKey(query());
      await clock.advance(0);
      await endWhile(waiting, queued);
      expect({ gone, requests }).toEqual({ gone: 1, requests: 0 });
    });

    it("H16: before the answer, whose connection is closed", async () => {
      server.answer({ after: never });
      const waiting = jwks.getKey(query());
      await server.reached(1);
      await endWhile(waiting, jwks);
      await server.reachedAborts(1);
    });

    it("H16: before the answer of a fetch that ignores its signal", async () => {
      detour = () => never;
      const waiting = jwks.getKey(query());
      await clock.advance(0);
      await endWhile(waiting, jwks);
    });

    it("H16: in the middle of the body, whose connection is closed", async () => {
      const started = Promise.withResolvers<void>();
      server.answer({
        body: (async function* () {
          yield '{"keys":[';
          started.resolve();
          await never;
        })(),
      });
      const waiting = jwks.getKey(query());
      await started.promise;
      await endWhile(waiting, jwks);
      await server.reachedAborts(1);
    });

    it("H16: at any moment between the answer and the keys", async () => {
      const ends = new Set<string>();
      for (let turns = 0; turns < 100; turns++) {
        const body = Promise.withResolvers<Response>();
        detour = () => body.promise;
        const ending = create();
        let changes = 0;
        ending.onChange(() => changes++);
        const outcome = ending.getKey(query()).then(
          () => "served",
          (error: unknown) => {
            expect(error).toMatchObject(UNAVAILABLE);
            return "refused";
          },
        );
        await clock.advance(0);
        body.resolve(Response.json(issuer.jwks()));
        for (let turn = 0; turn < turns; turn++) await undefined;
        ending[Symbol.dispose]();
        const told = { changes, events: events.all.length };
        ends.add(await outcome);
        await clock.advance(0);
        expect({ changes, events: events.all.length }).toEqual(told);
        expect(clock.pendingTimers).toBe(0);
      }
      expect([...ends]).toEqual(["refused", "served"]);
    });

    it("H16: in the wait before a repetition", async () => {
      const retrying = create({ retries: 3, retryMinDelayMs: SECOND, retryJitter: "none" });
      detour = async () => new Response(null, { status: 500 });
      const waiting = retrying.getKey(query());
      await clock.advance(0);
      await clock.advance(500);
      await endWhile(waiting, retrying);
      expect(requests).toBe(1);
    });

    it("H16: while a forced request and a refresh are under way", async () => {
      await jwks.getKey(query());
      detour = () => never;
      const stranger = jwks.getKey(query("stranger"));
      await clock.advance(0);
      const refreshed = jwks.refresh();
      await clock.advance(0);
      await endWhile(
        Promise.any([stranger, refreshed]).catch(({ errors: [error] }) => Promise.reject(error)),
        jwks,
      );
      expect(requests).toBe(3);
    });
  });

  it("H11: a turn that does not come in time ends with the deadline", async () => {
    const acquireSlot: AcquireSlot = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const queued = create({}, acquireSlot);
    const refused = expect(queued.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(8 * SECOND);
    await refused;
    queued[Symbol.dispose]();
  });

  it("H16: keeps no process alive", async () => {
    const child = startTypescript("jwks-process.ts", server.url);
    expect(await child.nextLine()).toBe(`${issuer.kid} true`);
    await expect(child.nextLine()).rejects.toThrow("has ended");
  });
});

/** How long an error says to wait; not a number when it does not say. */
function waitOf(error: unknown): number {
  return (error instanceof KeysUnavailableError && error.retryAfterMs) || Number.NaN;
}

/** The texts and codes of an error and of what caused it. */
function causesOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return `${error.message} ${"code" in error ? error.code : ""} ${causesOf(error.cause)}`;
}
