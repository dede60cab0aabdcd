import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksOptions } from "../../src/jwks/jwks-options.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createJwksEvents } from "../support/jwks-events.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createKeySetRefresher()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let requests: number;
  let answer: () => Response | Promise<Response>;
  const open: Jwks[] = [];

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    requests = 0;
    answer = () => Response.json(issuer.jwks());
  });
  afterEach(() => {
    for (const jwks of open.splice(0)) jwks[Symbol.dispose]();
  });

  function create(options: JwksOptions = {}): Jwks {
    const jwks = createJwks("https://issuer.test/jwks.json", {
      clock,
      retries: 0,
      refreshJitterMs: 0,
      fetch: async () => {
        requests++;
        return answer();
      },
      ...options,
    });
    open.push(jwks);
    return jwks;
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  const fail = (): Response => new Response(null, { status: 503 });
  const hang = (): Promise<never> => new Promise(() => {});
  const retryLater = (seconds: number) => (): Response =>
    new Response(null, { status: 503, headers: { "retry-after": `${seconds}` } });
  const succeed = (): Response => Response.json(issuer.jwks());

  /** Lets time pass by steps of no length until something has ended, and tells how. */
  async function settled(work: Promise<unknown>): Promise<unknown> {
    let outcome: { readonly error: unknown } | undefined;
    work.then(
      () => {
        outcome = { error: undefined };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    while (outcome === undefined) await clock.advance(0);
    return outcome.error;
  }
  const refused = async (jwks: Jwks, kid: string): Promise<unknown> => settled(jwks.getKey(query(kid)));

  it("H4: a key first published during a flood works when the cooldown ends, though a stranger asks first", async () => {
    const jwks = create();
    const known = await jwks.getKey(query());
    let stranger = 0;
    const flood = (): Promise<unknown> =>
      Promise.all(
        Array.from({ length: 200 }, () =>
          expect(jwks.getKey(query(`s-${stranger++}`))).rejects.toMatchObject(NOT_FOUND),
        ),
      );
    await flood();
    expect(requests).toBe(2);
    const knownKid = issuer.kid;
    await issuer.rotate();
    for (let second = 1; second < 30; second++) {
      await clock.advance(SECOND);
      await flood();
      await expect(jwks.getKey(query())).rejects.toMatchObject(NOT_FOUND);
      expect(await jwks.getKey(query(knownKid))).toBe(known);
    }
    expect(requests).toBe(2);
    await clock.advance(SECOND);
    const [, key] = await Promise.all([flood(), jwks.getKey(query())]);
    expect(key.type).toBe("public");
    expect(requests).toBe(3);
  });

  it("H4: a key first published while a flood fails works when the cooldown ends", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = fail;
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(UNAVAILABLE);
    await issuer.rotate();
    answer = () => Response.json(issuer.jwks());
    await clock.advance(30 * SECOND - 1);
    await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 1 });
    await clock.advance(1);
    await expect(jwks.getKey(query())).resolves.toBeDefined();
    expect(requests).toBe(3);
  });

  it("L3: 10,000 made-up kids add no metric label", async () => {
    const labels = new Set<string>();
    const note = (name: string, values: unknown): void => void labels.add(`${name} ${JSON.stringify(values)}`);
    const telemetry: Telemetry = {
      count: (name, values) => note(name, values),
      record: (name, _value, values) => note(name, values),
    };
    const jwks = create({ telemetry });
    await jwks.getKey(query());
    await expect(jwks.getKey(query("first"))).rejects.toMatchObject(NOT_FOUND);
    const before = [...labels];
    expect(before).toContain('latchkey.jwks.refreshes {"kind":"forced","outcome":"ok"}');
    for (let index = 0; index < 10_000; index++) {
      if (index % 1_000 === 0) await clock.advance(30 * SECOND);
      await jwks.getKey(query(`made-up-${index}-${Math.random()}`)).catch(() => {});
    }
    expect(requests).toBeGreaterThan(10);
    expect([...labels]).toEqual(before);
  });

  it("counts each refresh by what it was for and how it ended, times it, and gives it a span", async () => {
    const told: (readonly unknown[])[] = [];
    const telemetry: Telemetry = {
      count: (name, labels) => void (name === "latchkey.jwks.refreshes" && told.push(["count", labels])),
      record: (name, value, labels) => void told.push([name, value, labels]),
      startSpan(name, labels) {
        told.push(["start", name, labels]);
        return { end: (outcome) => void told.push(["end", outcome]) };
      },
    };
    const labels = { tenant: "acme" };
    const jwks = create({ telemetry, labels, retries: 1, retryMinDelayMs: 0 });
    answer = async () => {
      await clock.advance(250);
      return Response.json(issuer.jwks());
    };
    await jwks.getKey(query());
    await clock.advance(750);
    answer = fail;
    await jwks.getKey(query("stranger")).catch(() => {});
    expect(told).toEqual([
      ["start", "latchkey.jwks.refresh", { ...labels, kind: "refresh" }],
      ["end", "ok"],
      ["count", { ...labels, kind: "refresh", outcome: "ok" }],
      ["latchkey.jwks.refresh_ms", 250, { ...labels, kind: "refresh" }],
      ["start", "latchkey.jwks.refresh", { ...labels, kind: "forced" }],
      ["end", "ERR_KEYS_UNAVAILABLE"],
      ["count", { ...labels, kind: "forced", outcome: "ERR_KEYS_UNAVAILABLE" }],
      ["latchkey.jwks.refresh_ms", 0, { ...labels, kind: "forced" }],
      ["latchkey.jwks.key_set_age_ms", SECOND, labels],
    ]);
    told.length = 0;
    await settled(jwks.refresh());
    expect(requests).toBe(4);
    expect(told.filter(([what]) => what === "start" || what === "end")).toEqual([
      ["start", "latchkey.jwks.refresh", { ...labels, kind: "refresh" }],
      ["end", "ERR_KEYS_UNAVAILABLE"],
    ]);
  });

  it("uses a set for four fifths of its life, however early it is to be replaced", async () => {
    const jwks = create({ minTtlMs: SECOND, maxTtlMs: 10 * SECOND, refreshEarlyMs: MINUTE });
    await jwks.getKey(query());
    await clock.advance(8 * SECOND - 1);
    expect(requests).toBe(1);
    await clock.advance(1);
    expect(requests).toBe(2);
    await clock.advance(8 * SECOND);
    expect(requests).toBe(3);
  });

  it("H2: a forced request that fails does not bring the next refresh forward, nor put it off", async () => {
    const jwks = create({ retries: 2, fallbackTtlMs: 10 * MINUTE, refreshEarlyMs: 30 * SECOND });
    await jwks.getKey(query());
    answer = fail;
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(UNAVAILABLE);
    expect(requests).toBe(2);
    expect(jwks.status()).toMatchObject({ consecutiveFailures: 1, lastFailure: "ERR_KEYS_UNAVAILABLE" });
    answer = () => Response.json(issuer.jwks());
    await clock.advance(9.5 * MINUTE - 1);
    expect(requests).toBe(2);
    await clock.advance(1);
    expect(requests).toBe(3);
    expect(jwks.status()).toMatchObject({ consecutiveFailures: 0, lastFailure: undefined });
  });

  it("whoever looks for an unknown kid during a refresh waits for that one, and sends none", async () => {
    const jwks = create();
    await jwks.getKey(query());
    await issuer.rotate();
    const gate = Promise.withResolvers<void>();
    answer = () => gate.promise.then(() => Response.json(issuer.jwks()));
    const refreshed = jwks.refresh();
    const found = jwks.getKey(query());
    expect(jwks.status().state).toBe("refreshing");
    gate.resolve();
    await refreshed;
    await expect(found).resolves.toBeDefined();
    expect(requests).toBe(2);
    // The refresh was not caused by the unknown kid: its cooldown has not begun.
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
    expect(requests).toBe(3);
  });

  it("refreshes on demand whatever cooldown runs, many demands at once by one request", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = fail;
    await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
    answer = () => Response.json(issuer.jwks());
    await Promise.all(Array.from({ length: 10 }, () => jwks.refresh()));
    expect(requests).toBe(3);
    // After a success nobody cools down for the failure before it.
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
  });

  it("H1: joins callers of an unknown kid to one request, each leaving by its own signal", async () => {
    const jwks = create();
    await jwks.getKey(query());
    await issuer.rotate();
    const gate = Promise.withResolvers<void>();
    answer = () => gate.promise.then(succeed);
    const leaving = new AbortController();
    const first = expect(jwks.getKey(query(), { signal: leaving.signal })).rejects.toThrow("gone");
    const others = Array.from({ length: 10 }, () => jwks.getKey(query()));
    leaving.abort(new Error("gone"));
    await first;
    gate.resolve();
    expect(new Set(await Promise.all(others)).size).toBe(1);
    expect(requests).toBe(2);
  });

  it("H2: a caller that is gone already causes nothing", async () => {
    const jwks = create();
    const gone = { signal: AbortSignal.abort(new Error("gone")) };
    await expect(jwks.getKey(query(), gone)).rejects.toThrow("gone");
    await jwks.getKey(query());
    await expect(jwks.getKey(query("stranger"), gone)).rejects.toThrow("gone");
    expect(requests).toBe(1);
    // Nor has it used up the one request of the cooldown.
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
    expect(requests).toBe(2);
  });

  it("H2: a caller that leaves takes the claim along with nobody: the request counts all the same", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = hang;
    const leaving = new AbortController();
    const left = expect(jwks.getKey(query("stranger"), { signal: leaving.signal })).rejects.toThrow("gone");
    leaving.abort(new Error("gone"));
    await left;
    await clock.advance(3 * SECOND);
    await expect(jwks.getKey(query("other"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 27 * SECOND });
    expect(requests).toBe(2);
  });

  it("H3: a forced request is sent once, however it fails", async () => {
    const jwks = create({ retries: 5, retryMinDelayMs: 0 });
    await jwks.getKey(query());
    answer = fail;
    expect(await refused(jwks, "stranger")).toMatchObject({ ...UNAVAILABLE, retryAfterMs: 30 * SECOND });
    await clock.advance(10 * SECOND);
    expect(requests).toBe(2);
  });

  it("H3: answers unavailable until the cooldown of a failed request ends, and not found after a good one", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = fail;
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(10 * SECOND);
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 20 * SECOND });
    // A refresh that succeeds meanwhile knows better.
    answer = succeed;
    await jwks.refresh();
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
    expect(requests).toBe(3);
  });

  it("whoever looks for an unknown kid during both kinds of request waits for the one that was sent later", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = hang;
    const stranger = settled(jwks.getKey(query("stranger")));
    await clock.advance(0);
    const gate = Promise.withResolvers<void>();
    answer = () => gate.promise.then(succeed);
    const refreshed = jwks.refresh();
    await clock.advance(0);
    await issuer.rotate();
    const found = jwks.getKey(query());
    gate.resolve();
    await refreshed;
    await expect(found).resolves.toBeDefined();
    expect(requests).toBe(3);
    await clock.advance(3 * SECOND);
    expect(await stranger).toMatchObject(UNAVAILABLE);
  });

  it("serves who waits for a forced request that fails, when a refresh has brought the key meanwhile", async () => {
    const jwks = create();
    await jwks.getKey(query());
    await issuer.rotate();
    answer = hang;
    const waiting = jwks.getKey(query());
    await clock.advance(0);
    answer = succeed;
    await jwks.refresh();
    await clock.advance(3 * SECOND);
    expect(await waiting).toBe(jwks.peekKey(query()));
  });

  it("serves nobody who has left, nor after its end, though a refresh has brought the key meanwhile", async () => {
    const jwks = create();
    await jwks.getKey(query());
    await issuer.rotate();
    answer = hang;
    const leaving = new AbortController();
    const left = expect(jwks.getKey(query(), { signal: leaving.signal })).rejects.toThrow("gone");
    const ended = expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(0);
    answer = succeed;
    await jwks.refresh();
    leaving.abort(new Error("gone"));
    await left;
    jwks[Symbol.dispose]();
    await ended;
  });

  it("H6: after a forced request, waits as long as the answer asks for", async () => {
    const jwks = create();
    await jwks.getKey(query());
    answer = retryLater(90);
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 90 * SECOND });
    await clock.advance(90 * SECOND - 1);
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 1 });
    expect(requests).toBe(2);
    answer = succeed;
    await clock.advance(1);
    await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
    expect(requests).toBe(3);
  });

  describe("failures", () => {
    it("H6: tells the caller who found out how long to wait, as those who come after it", async () => {
      const jwks = create();
      answer = fail;
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 30 * SECOND });
      await clock.advance(SECOND);
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 29 * SECOND });
      await expect(jwks.getPublicKeys()).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 29 * SECOND });
      expect(requests).toBe(1);
    });

    it("H6: keeps why it failed", async () => {
      const jwks = create({ fetch: () => Promise.reject(new TypeError("no route")) });
      const error = await settled(jwks.refresh());
      expect(error).toMatchObject({ ...UNAVAILABLE, cause: { ...UNAVAILABLE, cause: new TypeError("no route") } });
    });

    it.each([
      ["none", [250, 500, 1_000]],
      ["full", [250, 500, 1_000]],
      ["decorrelated", [1_000, 1_000, 1_000]],
    ] as const)("H6: repeats a refresh with %s jitter", async (retryJitter, longestMs) => {
      const sentAtMs: number[] = [];
      const jwks = create({
        retries: 3,
        retryMaxDelayMs: SECOND,
        retryJitter,
        fetch: async () => {
          sentAtMs.push(clock.monotonicMs());
          return fail();
        },
      });
      const failed = expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
      await clock.advance(0);
      await clock.advance(4 * SECOND);
      await failed;
      const waits = sentAtMs.slice(1).map((atMs, index) => atMs - (sentAtMs[index] ?? 0));
      expect(waits).toHaveLength(3);
      if (retryJitter === "none") expect(waits).toEqual(longestMs);
      for (const [index, waitMs] of waits.entries()) {
        expect(waitMs >= 0 && waitMs <= (longestMs[index] ?? 0)).toBe(true);
      }
    });

    it("H11: ends a refresh at the total deadline, whatever attempt is under way", async () => {
      const jwks = create({ retries: 9, retryMinDelayMs: 0, attemptTimeoutMs: 3 * SECOND, totalTimeoutMs: 8 * SECOND });
      answer = hang;
      let failedAtMs: number | undefined;
      const failed = expect(
        jwks.getKey(query()).finally(() => {
          failedAtMs = clock.monotonicMs();
        }),
      ).rejects.toMatchObject(UNAVAILABLE);
      // By steps, so that what a timer sets going gets to run before the next.
      for (let second = 0; second < 12; second++) {
        await clock.advance(0);
        await clock.advance(SECOND);
      }
      await failed;
      expect(failedAtMs).toBe(8 * SECOND);
      expect(requests).toBe(3);
      expect(clock.pendingTimers).toBe(0);
    });

    it("H6: repeats nothing that asks for a longer wait than the deadline allows, and stays away for it", async () => {
      const jwks = create({ retries: 2 });
      answer = retryLater(120);
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 120 * SECOND });
      await clock.advance(120 * SECOND - 1);
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 1 });
      expect(requests).toBe(1);
      answer = succeed;
      await clock.advance(1);
      await expect(jwks.getKey(query())).resolves.toBeDefined();
    });

    it("H6: repeats within a refresh after the wait that was asked for", async () => {
      const jwks = create({ retries: 1 });
      answer = retryLater(2);
      const waiting = jwks.getKey(query());
      await clock.advance(0);
      answer = succeed;
      await clock.advance(2 * SECOND - 1);
      expect(requests).toBe(1);
      await clock.advance(1);
      await expect(waiting).resolves.toBeDefined();
      expect(requests).toBe(2);
    });

    it.each([
      ["the cooldown for what is shorter", "0", 30 * SECOND],
      ["an hour for what is longer", "86400", 60 * MINUTE],
      ["the cooldown for nonsense", "soon", 30 * SECOND],
    ])("H6: takes %s", async (_name, text, waitMs) => {
      const jwks = create();
      answer = () => new Response(null, { status: 429, headers: { "retry-after": text } });
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: waitMs });
    });

    it("H6: asks once more before the keys in hand end, though the issuer asked for a longer pause", async () => {
      const jwks = create({ fallbackTtlMs: 10 * MINUTE, staleWhileErrorMs: 10 * MINUTE });
      const key = await jwks.getKey(query());
      answer = retryLater(3_600);
      await clock.advance(9.5 * MINUTE);
      expect(requests).toBe(2);
      expect(jwks.status().nextRefreshAtMs).toBe(clock.nowMs() + 10.5 * MINUTE - 8 * SECOND);
      await clock.advance(10.5 * MINUTE - 8 * SECOND - 1);
      expect(requests).toBe(2);
      answer = succeed;
      await clock.advance(1);
      expect(requests).toBe(3);
      await clock.advance(10 * MINUTE);
      expect(jwks.peekKey(query())).toBe(key);
    });

    it("H7: keeps asking when its keys have ended, and serves again when the issuer is back", async () => {
      const jwks = create();
      await jwks.getKey(query());
      answer = fail;
      await clock.advance(60 * MINUTE);
      expect(jwks.status().usable).toBe(false);
      expect(jwks.peekKey(query())).toBeUndefined();
      answer = succeed;
      await clock.advance(31 * SECOND);
      expect(jwks.peekKey(query())).toBeDefined();
    });
  });

  describe("circuit", () => {
    /** Fails until the circuit is open. */
    async function openCircuit(jwks: Jwks, failures = 5): Promise<void> {
      answer = fail;
      for (let count = 0; count < failures; count++) await settled(jwks.refresh());
    }

    it("opens after the fifth failure, then sends one request per pause, and closes with a success", async () => {
      const events = createJwksEvents();
      const jwks = create({ retries: 2, retryMinDelayMs: 0, breakerOpenMs: MINUTE, onEvent: events.onEvent });
      await jwks.getKey(query());
      await openCircuit(jwks, 4);
      expect(events.of("circuit")).toEqual([]);
      expect(requests).toBe(1 + 4 * 3);
      await openCircuit(jwks, 1);
      expect(events.of("circuit")).toEqual([{ type: "circuit", open: true }]);
      expect(jwks.status().circuit).toBe("open");
      const before = requests;
      for (let pause = 1; pause <= 5; pause++) {
        await clock.advance(MINUTE - 1);
        expect(requests).toBe(before + pause - 1);
        await clock.advance(1);
        expect(requests).toBe(before + pause);
      }
      answer = succeed;
      await clock.advance(MINUTE);
      expect(events.of("circuit")).toEqual([
        { type: "circuit", open: true },
        { type: "circuit", open: false },
      ]);
      expect(jwks.status()).toMatchObject({ circuit: "closed", consecutiveFailures: 0 });
      // Closed, it repeats again.
      const closed = requests;
      answer = fail;
      await settled(jwks.refresh());
      expect(requests).toBe(closed + 3);
    });

    it("cold, sends one request per pause for whoever asks, and refuses the others at once", async () => {
      const jwks = create({ retries: 2, retryMinDelayMs: 0, breakerFailures: 1, breakerOpenMs: MINUTE });
      answer = fail;
      await refused(jwks, issuer.kid);
      expect(requests).toBe(3);
      for (let pause = 1; pause <= 3; pause++) {
        await clock.advance(MINUTE - 1);
        expect(await refused(jwks, issuer.kid)).toMatchObject({ ...UNAVAILABLE, retryAfterMs: 1 });
        await clock.advance(1);
        for (let caller = 0; caller < 10; caller++) expect(await refused(jwks, issuer.kid)).toMatchObject(UNAVAILABLE);
        expect(requests).toBe(3 + pause);
      }
    });

    it("H2: open, unknown kids cause no request of their own: theirs is the one that the pause permits", async () => {
      const jwks = create({ breakerOpenMs: MINUTE });
      const key = await jwks.getKey(query());
      await openCircuit(jwks);
      const before = requests;
      for (let second = 0; second < 10 * 60; second++) {
        expect(await refused(jwks, `stranger-${second}`)).toMatchObject(UNAVAILABLE);
        await clock.advance(SECOND);
        if (second < 8 * 60) expect(await jwks.getKey(query())).toBe(key);
      }
      expect(requests - before).toBeLessThanOrEqual(10);
      expect(requests - before).toBeGreaterThanOrEqual(9);
    });

    it("H2: open, an unknown kid and the timer share one request, whoever comes first", async () => {
      const jwks = create({ breakerFailures: 1, breakerOpenMs: SECOND });
      await jwks.getKey(query());
      answer = hang;
      const failed = settled(jwks.refresh());
      await clock.advance(0);
      await clock.advance(3 * SECOND);
      expect(await failed).toMatchObject(UNAVAILABLE);
      // The pause is counted from the request, the timer from its failure.
      await clock.advance(29 * SECOND);
      const gate = Promise.withResolvers<void>();
      answer = () => gate.promise.then(succeed);
      const first = settled(jwks.getKey(query("a")));
      await clock.advance(0);
      expect(requests).toBe(3);
      await clock.advance(SECOND);
      const second = settled(jwks.getKey(query("b")));
      gate.resolve();
      expect([await first, await second]).toMatchObject([NOT_FOUND, NOT_FOUND]);
      expect(requests).toBe(3);
    });

    it("H2: opened while a forced request is under way, unknown kids go on waiting for that one", async () => {
      const jwks = create({ breakerFailures: 1 });
      await jwks.getKey(query());
      const gate = Promise.withResolvers<void>();
      answer = () => gate.promise.then(succeed);
      const first = settled(jwks.getKey(query("a")));
      await clock.advance(0);
      await openCircuit(jwks, 1);
      const second = settled(jwks.getKey(query("b")));
      await clock.advance(0);
      expect(requests).toBe(3);
      gate.resolve();
      expect([await first, await second]).toMatchObject([NOT_FOUND, NOT_FOUND]);
      expect(requests).toBe(3);
    });

    it("H2: after the stranger's request closes it, the next unknown kid waits for the cooldown", async () => {
      const jwks = create({ breakerFailures: 1 });
      await jwks.getKey(query());
      answer = fail;
      await refused(jwks, "a");
      await clock.advance(30 * SECOND);
      answer = succeed;
      expect(await refused(jwks, "b")).toMatchObject(NOT_FOUND);
      expect(await refused(jwks, "c")).toMatchObject(NOT_FOUND);
      expect(jwks.status().circuit).toBe("closed");
      expect(requests).toBe(3);
      await clock.advance(30 * SECOND);
      expect(await refused(jwks, "d")).toMatchObject(NOT_FOUND);
      expect(requests).toBe(4);
    });

    it.each([
      ["for the pause", 5 * MINUTE, 5 * MINUTE],
      ["but not beyond the end of the keys in hand", 60 * MINUTE, 11 * MINUTE - 8 * SECOND],
    ])("a forced request that opens it puts the next refresh off, %s", async (_name, breakerOpenMs, waitMs) => {
      const jwks = create({ breakerFailures: 1, breakerOpenMs });
      await jwks.getKey(query());
      answer = fail;
      await clock.advance(9 * MINUTE);
      await refused(jwks, "stranger");
      expect(jwks.status().nextRefreshAtMs).toBe(clock.nowMs() + waitMs);
      await clock.advance(waitMs - 1);
      expect(requests).toBe(2);
      await clock.advance(1);
      expect(requests).toBe(3);
    });

    it("a forced request that opens it does not bring the next refresh forward", async () => {
      const jwks = create({ breakerFailures: 1 });
      await jwks.getKey(query());
      const { nextRefreshAtMs } = jwks.status();
      answer = fail;
      await refused(jwks, "stranger");
      expect(jwks.status().nextRefreshAtMs).toBe(nextRefreshAtMs);
    });
  });

  describe("events", () => {
    it("tells of every refresh, in order", async () => {
      const events = createJwksEvents();
      const jwks = create({ onEvent: events.onEvent });
      await jwks.getKey(query());
      await refused(jwks, "stranger");
      answer = fail;
      await settled(jwks.refresh());
      await clock.advance(30 * SECOND);
      await refused(jwks, "stranger");
      const failed = { type: "refresh_failed", code: "ERR_KEYS_UNAVAILABLE" };
      const refreshed = { type: "refreshed", unusableKeys: 0 };
      expect(events.all).toEqual([
        { ...refreshed, kind: "refresh", changed: true },
        { ...refreshed, kind: "forced", changed: false },
        { ...failed, kind: "refresh", consecutiveFailures: 1 },
        { ...failed, kind: "refresh", consecutiveFailures: 2 },
      ]);
    });

    it("H16: goes on whatever the listener and the telemetry do", async () => {
      const unhandled: unknown[] = [];
      const listen = (reason: unknown): void => void unhandled.push(reason);
      process.on("unhandledRejection", listen);
      const broken = (): never => {
        throw new Error("broken");
      };
      const rejecting = (): unknown => Promise.reject(new Error("broken"));
      for (const fault of [broken, rejecting]) {
        const telemetry: Telemetry = { count: fault, record: fault, startSpan: () => ({ end: fault }) };
        const jwks = create({ telemetry, onEvent: fault, breakerFailures: 1 });
        answer = succeed;
        const key = await jwks.getKey(query());
        answer = () => Response.json({ keys: [] });
        expect(await refused(jwks, "stranger")).toMatchObject({ code: "ERR_KEYS_INVALID" });
        answer = succeed;
        await clock.advance(10 * MINUTE);
        expect(await jwks.getKey(query())).toBe(key);
        expect(jwks.status()).toMatchObject({ stale: false, circuit: "closed", consecutiveFailures: 0 });
      }
      for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
      process.off("unhandledRejection", listen);
      expect(unhandled).toEqual([]);
    });

    it("may be answered by another refresh, or by the end of the cache", async () => {
      const refreshing: Promise<void>[] = [];
      const again = create({
        onEvent: (event) => void (event.type === "refreshed" && refreshing.push(again.refresh())),
      });
      await again.getKey(query());
      await Promise.all(refreshing);
      expect(requests).toBe(1);
      const ending = create({ onEvent: () => ending[Symbol.dispose]() });
      await ending.refresh();
      await expect(ending.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
      again[Symbol.dispose]();
      expect(clock.pendingTimers).toBe(0);
    });
  });

  it("uses no memory for unknown kids", async () => {
    const jwks = create();
    await jwks.getKey(query());
    const flood = async (kids: number): Promise<void> => {
      for (let index = 0; index < kids; index++) {
        await jwks.getKey(query(`${"x".repeat(200)}${Math.random()}`)).catch(() => {});
      }
    };
    await flood(10_000);
    const before = heapBytes();
    await flood(100_000);
    // 100,000 kids of 200 characters would be more than 20 MB.
    expect(heapBytes() - before).toBeLessThan(4 * 1_024 * 1_024);
    expect(requests).toBe(2);
  });
});

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return process.memoryUsage().heapUsed;
}
