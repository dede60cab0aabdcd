import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JwksEvent } from "../../src/jwks/jwks-event.js";
import { createRegisteredProvider, type RegisteredProvider } from "../../src/jwks/registered-provider.js";
import { type JwksRegistration, type ResolvedRegistration, resolveRegistration } from "../../src/jwks/registration.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const MINUTE = 60 * 1_000;
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createRegisteredProvider()", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let clock: ManualClock;
  let events: JwksEvent[];
  let acquired: number;
  let held: number;
  let provider: RegisteredProvider;

  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await startJwksServer(() => ({ body: issuer.jwks() }));
    clock = createManualClock();
    events = [];
    acquired = 0;
    held = 0;
    provider = createRegisteredProvider(
      resolve(),
      async () => {
        acquired++;
        held++;
        return { [Symbol.dispose]: () => void held-- };
      },
      (event) => events.push(event),
    );
  });
  afterEach(async () => {
    provider[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  function resolve(options: Partial<JwksRegistration> = {}): ResolvedRegistration {
    const registration = {
      tenantId: "acme",
      providerId: "staff",
      url: server.url,
      allowLoopbackHttp: true,
      retries: 0,
    };
    const context = { defaults: {}, allowedDomains: undefined, telemetry: noTelemetry, clock };
    return resolveRegistration({ ...registration, ...options }, context, "registration");
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  const hang = (): void => server.answer({ after: new Promise(() => {}) });

  it("keeps the keys in hand when URL and issuer stay, and has them confirmed at once", async () => {
    await provider.jwks.getKey(query());
    hang();
    expect(provider.update(resolve({ maxTtlMs: 2 * MINUTE, minTtlMs: 1 }))).toBe(true);
    const key = await provider.jwks.getKey(query());
    expect(provider.jwks.peekKey(query())).toBe(key);
    await server.reached(2);
    expect(provider.jwks.status()).toMatchObject({ state: "refreshing", kids: [issuer.kid] });
    expect((provider.jwks.status().expiresAtMs ?? 0) - clock.nowMs()).toBe(2 * MINUTE);
  });

  it("keeps them through several updates at once", async () => {
    await provider.jwks.getKey(query());
    hang();
    for (const maxKeys of [3, 2, 1]) provider.update(resolve({ maxKeys }));
    expect((await provider.jwks.getKey(query())).type).toBe("public");
    await server.reached(2);
    expect(provider.jwks.status().kids).toEqual([issuer.kid]);
  });

  it("fetches anew when the keys in hand are not within the new limits", async () => {
    await issuer.rotate();
    await provider.jwks.getKey(query());
    server.answer({ status: 503 });
    provider.update(resolve({ maxKeys: 1 }));
    await expect(provider.jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    expect(server.hits).toBe(2);
  });

  it("H7: does not make keys live longer by updates", async () => {
    await provider.jwks.getKey(query());
    server.answer({ status: 503 });
    for (let minute = 0; minute < 20; minute += 5) {
      expect((await provider.jwks.getKey(query())).type).toBe("public");
      await clock.advance(5 * MINUTE);
      provider.update(resolve());
    }
    await expect(provider.jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
  });

  it.each([
    ["URL", () => ({ url: `${server.url}?other` })],
    ["issuer", () => ({ issuer: "https://other.example" })],
  ])("drops them at once when the %s changes", async (_name, change) => {
    await provider.jwks.getKey(query());
    let changes = 0;
    provider.jwks.onChange(() => changes++);
    hang();
    expect(provider.update(resolve(change()))).toBe(false);
    expect(changes).toBe(1);
    expect(provider.jwks.peekKey(query())).toBeUndefined();
    expect(provider.jwks.snapshot()).toBeUndefined();
    const waiting = provider.jwks.getKey(query());
    await server.reached(2);
    provider[Symbol.dispose]();
    await expect(waiting).rejects.toMatchObject(UNAVAILABLE);
  });

  it("changes nothing when no cache can be made", async () => {
    const key = await provider.jwks.getKey(query());
    const { registration } = provider;
    let isThere = true;
    const fetch = Object.assign(async () => new Response(), {
      assertHost() {
        if (!isThere) throw new TypeError("not there");
      },
    });
    const next = resolve({ fetch });
    isThere = false;
    expect(() => provider.update(next)).toThrow("not there");
    expect(provider.jwks.peekKey(query())).toBe(key);
    expect(provider.registration).toBe(registration);
    await provider.jwks.refresh();
    expect(events.map(({ type }) => type)).toEqual(["refreshed", "refreshed"]);
  });

  it("sends one request at a time, also when its registration is replaced", async () => {
    const gate = Promise.withResolvers<void>();
    await provider.jwks.getKey(query());
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const stranger = provider.jwks.getKey(query("stranger"));
    await server.reached(2);
    const refreshed = provider.jwks.refresh();
    await clock.advance(0);
    expect([server.hits, acquired, held]).toEqual([2, 2, 1]);
    gate.resolve();
    await expect(stranger).rejects.toMatchObject(NOT_FOUND);
    await refreshed;
    expect([server.hits, acquired, held]).toEqual([3, 3, 0]);
    hang();
    const waiting = provider.jwks.refresh();
    await server.reached(4);
    server.answer(() => ({ body: issuer.jwks() }));
    provider.update(resolve());
    await waiting;
    await server.reachedAborts(1);
    expect(held).toBe(0);
  });

  it("gives up the turn when the slot is refused", async () => {
    let refusals = 1;
    const refused = createRegisteredProvider(
      resolve(),
      async () => {
        if (refusals-- > 0) throw new Error("no slot");
        return { [Symbol.dispose]() {} };
      },
      () => {},
    );
    await expect(refused.jwks.refresh()).rejects.toThrow("no slot");
    await refused.jwks.refresh();
    expect(server.hits).toBe(1);
    refused[Symbol.dispose]();
  });

  it("tells of nothing that comes when the registration is replaced", async () => {
    const listening = provider.jwks.onChange(() => {
      listening[Symbol.dispose]();
      provider.update(resolve({ issuer: "https://other.example" }));
    });
    server.answer((hit) => (hit === 1 ? { body: issuer.jwks() } : { after: new Promise(() => {}) }));
    const waiting = expect(provider.jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
    await server.reached(2);
    expect(events).toEqual([]);
    provider[Symbol.dispose]();
    await waiting;
  });

  it("tells of nothing that comes when it has ended", async () => {
    provider.jwks.onChange(() => provider[Symbol.dispose]());
    await Promise.allSettled([provider.jwks.refresh()]);
    expect(server.hits).toBe(1);
    expect(events).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("tells of a failure of the present registration, and not of requests that its end has ended", async () => {
    server.answer({ status: 503 });
    await expect(provider.jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
    expect(events).toEqual([
      { type: "refresh_failed", kind: "refresh", code: "ERR_KEYS_UNAVAILABLE", consecutiveFailures: 1 },
    ]);
    hang();
    const waiting = expect(provider.jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
    await server.reached(2);
    provider[Symbol.dispose]();
    await waiting;
    await server.reachedAborts(1);
    expect(events).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });
});
