import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksFetch, JwksOptions } from "../../src/jwks/jwks-options.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

describe("createJwksStatus()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let answer: () => Promise<Response>;
  let jwks: Jwks;
  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    answer = publish;
    jwks = create();
  });
  afterEach(() => jwks[Symbol.dispose]());

  function create(options: JwksOptions = {}): Jwks {
    const fetch: JwksFetch = () => answer();
    return createJwks("https://issuer.test/jwks.json", { clock, retries: 0, refreshJitterMs: 0, fetch, ...options });
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  async function publish(): Promise<Response> {
    return Response.json({ keys: [...issuer.jwks().keys, null] }, { headers: { "cache-control": "max-age=600" } });
  }
  const fail = async (): Promise<Response> => new Response(null, { status: 503 });

  it("tells of a cache that has done nothing yet", () => {
    expect(jwks.status()).toEqual({
      state: "empty",
      usable: false,
      stale: false,
      kids: [],
      unusableKeys: 0,
      ageMs: undefined,
      fetchedAtMs: undefined,
      expiresAtMs: undefined,
      usableUntilMs: undefined,
      nextRefreshAtMs: undefined,
      consecutiveFailures: 0,
      lastFailure: undefined,
      circuit: "closed",
      hits: 0,
      staleServed: 0,
      misses: 0,
      hitRate: 1,
    });
  });

  it("tells of the set in hand, by the wall clock as it is", async () => {
    const startMs = clock.nowMs();
    await jwks.getKey(query());
    await clock.advance(MINUTE);
    const status = {
      state: "ready",
      usable: true,
      stale: false,
      kids: [issuer.kid],
      unusableKeys: 1,
      ageMs: MINUTE,
      fetchedAtMs: startMs,
      expiresAtMs: startMs + 10 * MINUTE,
      usableUntilMs: startMs + 20 * MINUTE,
      nextRefreshAtMs: startMs + 9.5 * MINUTE,
    };
    expect(jwks.status()).toMatchObject(status);
    clock.setWallClock(clock.nowMs() - 60 * MINUTE);
    const { expiresAtMs, ...inWords } = jwks.status();
    expect(expiresAtMs).toBe(startMs - 50 * MINUTE);
    expect(inWords).toMatchObject({ usable: true, stale: false, ageMs: MINUTE, fetchedAtMs: startMs - 60 * MINUTE });
  });

  it("goes from empty by loading to ready, and by refreshing back to ready", async () => {
    const states = [jwks.status().state];
    const gate = Promise.withResolvers<void>();
    answer = () => gate.promise.then(publish);
    const waiting = jwks.getKey(query());
    states.push(jwks.status().state);
    gate.resolve();
    await waiting;
    states.push(jwks.status().state);
    const refreshed = jwks.refresh();
    states.push(jwks.status().state);
    await refreshed;
    states.push(jwks.status().state);
    expect(states).toEqual(["empty", "loading", "ready", "refreshing", "ready"]);
  });

  it("goes back from loading to empty, and from refreshing to ready, when the request fails", async () => {
    answer = fail;
    await jwks.getKey(query()).catch(() => {});
    expect(jwks.status()).toMatchObject({ state: "empty", consecutiveFailures: 1, nextRefreshAtMs: undefined });
    answer = publish;
    await jwks.refresh();
    answer = fail;
    await jwks.refresh().catch(() => {});
    expect(jwks.status()).toMatchObject({
      state: "ready",
      usable: true,
      consecutiveFailures: 1,
      lastFailure: "ERR_KEYS_UNAVAILABLE",
      nextRefreshAtMs: clock.nowMs() + 30 * SECOND,
    });
    answer = publish;
    await jwks.refresh();
    expect(jwks.status()).toMatchObject({ consecutiveFailures: 0, lastFailure: undefined });
  });

  it("counts how requests for a key were answered, and peeking not at all", async () => {
    const measured: unknown[] = [];
    const telemetry: Telemetry = {
      count: (name, labels) => void (name === "latchkey.jwks.requests" && measured.push(labels?.["outcome"])),
      record() {},
    };
    jwks = create({ telemetry });
    await jwks.getKey(query());
    await jwks.getKey(query());
    await jwks.getKey(query());
    await jwks.getKey(query("stranger")).catch(() => {});
    await jwks.getPublicKeys({ kid: issuer.kid });
    await jwks.getPublicKeys();
    jwks.peekKey(query());
    answer = fail;
    await clock.advance(10 * MINUTE);
    await jwks.getKey(query());
    expect(jwks.status()).toMatchObject({ stale: true, hits: 3, staleServed: 1, misses: 2, hitRate: 4 / 6 });
    await clock.advance(10 * MINUTE);
    await jwks.getKey(query()).catch(() => {});
    expect(jwks.status()).toMatchObject({ usable: false, stale: true, misses: 3, kids: [issuer.kid] });
    expect(measured).toEqual(["miss", "hit", "hit", "miss", "hit", "stale", "miss"]);
  });

  it("counts a token that names no key as no request for one", async () => {
    await jwks.getKey({ alg: "ES256" }).catch(() => {});
    expect(jwks.status()).toMatchObject({ misses: 0, hitRate: 1 });
  });

  it("tells that the circuit is open", async () => {
    jwks = create({ breakerFailures: 2 });
    answer = fail;
    await jwks.refresh().catch(() => {});
    expect(jwks.status().circuit).toBe("closed");
    await jwks.refresh().catch(() => {});
    expect(jwks.status().circuit).toBe("open");
  });

  it("H16: says that nothing is usable once disposed", async () => {
    await jwks.getKey(query());
    jwks[Symbol.dispose]();
    expect(jwks.status()).toMatchObject({ state: "ready", usable: false, nextRefreshAtMs: undefined });
  });
});
