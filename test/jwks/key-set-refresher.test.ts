import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksOptions } from "../../src/jwks/jwks-options.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";

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

  it("counts each request by what it was for and how it ended, and times it", async () => {
    const counted: unknown[] = [];
    const timed: unknown[] = [];
    const telemetry: Telemetry = {
      count: (name, labels) => void counted.push([name, labels]),
      record: (name, value, labels) => void timed.push([name, value, labels]),
    };
    const jwks = create({ telemetry });
    answer = async () => {
      await clock.advance(250);
      return Response.json(issuer.jwks());
    };
    await jwks.getKey(query());
    answer = fail;
    await jwks.getKey(query("stranger")).catch(() => {});
    expect(counted).toEqual([
      ["latchkey.jwks.refreshes", { kind: "refresh", outcome: "ok" }],
      ["latchkey.jwks.refreshes", { kind: "forced", outcome: "ERR_KEYS_UNAVAILABLE" }],
    ]);
    expect(timed).toEqual([
      ["latchkey.jwks.refresh_ms", 250, { kind: "refresh" }],
      ["latchkey.jwks.refresh_ms", 0, { kind: "forced" }],
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
});
