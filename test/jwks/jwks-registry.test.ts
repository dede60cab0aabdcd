import { createLocalJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JwksFetch } from "../../src/jwks/jwks-options.js";
import { createJwksRegistry, type JwksRegistry, type JwksRegistryEvent } from "../../src/jwks/jwks-registry.js";
import type { JwksRegistryOptions } from "../../src/jwks/jwks-registry-options.js";
import type { JwksRegistration } from "../../src/jwks/registration.js";
import type { Labels, Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier } from "../../src/verify/verifier.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { startTypescript } from "../support/typescript-process.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createJwksRegistry()", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let clock: ManualClock;
  const servers: JwksServer[] = [];
  const registries: JwksRegistry[] = [];

  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await start(() => ({ body: issuer.jwks() }));
    clock = createManualClock();
  });
  afterEach(async () => {
    for (const registry of registries.splice(0)) await registry[Symbol.asyncDispose]();
    for (const started of servers.splice(0)) await started[Symbol.asyncDispose]();
  });

  async function start(answer: Parameters<typeof startJwksServer>[0]): Promise<JwksServer> {
    const started = await startJwksServer(answer);
    servers.push(started);
    return started;
  }
  const startHanging = (): Promise<JwksServer> => start({ after: new Promise(() => {}) });
  function create(options: JwksRegistryOptions = {}): JwksRegistry {
    const { defaults, ...others } = options;
    const registry = createJwksRegistry({
      clock,
      defaults: { allowLoopbackHttp: true, retries: 0, refreshJitterMs: 0, ...defaults },
      ...others,
    });
    registries.push(registry);
    return registry;
  }
  /** Registers `acme/staff` at the server, unless said otherwise. */
  function register(registry: JwksRegistry, registration: Partial<JwksRegistration> = {}): void {
    registry.register({ tenantId: "acme", providerId: "staff", url: server.url, ...registration });
  }
  const kidsOf = async (keys: Promise<readonly { readonly kid: string }[]>): Promise<string[]> =>
    (await keys).map(({ kid }) => kid);

  describe("register()", () => {
    it("fetches nothing until a key is asked for, and then once", async () => {
      const registry = create();
      register(registry);
      expect(registry.status("acme", "staff")).toMatchObject({ state: "empty", usable: false });
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(await kidsOf(registry.resolve("acme", "staff", issuer.kid))).toEqual([issuer.kid]);
      expect(server.hits).toBe(1);
    });

    it("refuses to register twice, and what cannot be used, and then has changed nothing", async () => {
      const registry = create();
      register(registry);
      expect(() => register(registry)).toThrow(new TypeError("registration: acme/staff is registered already"));
      expect(() => register(registry, { providerId: "guests", maxTtlMs: 0 })).toThrow("registration.maxTtlMs");
      expect(() => register(registry, { tenantId: "a/b" })).toThrow("registration.tenantId");
      expect(() => registry.update({ tenantId: "acme", providerId: "guests", url: server.url })).toThrow(
        new TypeError("registration: acme/guests is not registered"),
      );
      expect(registry.statuses()).toHaveLength(1);
    });

    it("lets a fetch say at once that it will not go there", () => {
      const registry = create();
      const fetch = Object.assign(async () => new Response(), {
        assertHost(hostname: string) {
          throw new TypeError(`${hostname} is private`);
        },
      });
      expect(() => register(registry, { fetch })).toThrow(
        new TypeError("registration.url must be of a host that the fetch in use sends to"),
      );
      expect(registry.provider("acme", "staff")).toBeUndefined();
    });

    it("H10: requires the domains of the registry, whatever a registration allows", () => {
      const registry = create({ allowedDomains: ["idp.example"] });
      expect(() => register(registry, { allowedDomains: ["127.0.0.1"] })).toThrow(
        "registration.url must be of an allowed domain",
      );
      register(registry, { url: "https://acme.idp.example/jwks.json" });
    });
  });

  describe("resolve()", () => {
    it("looks again for an unknown kid, once per cooldown", async () => {
      const registry = create();
      register(registry);
      await registry.resolve("acme", "staff");
      await expect(registry.resolve("acme", "staff", "stranger")).rejects.toMatchObject(NOT_FOUND);
      await expect(registry.resolve("acme", "staff", "other")).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(2);
      await issuer.rotate();
      await clock.advance(30 * SECOND);
      expect(await kidsOf(registry.resolve("acme", "staff", issuer.kid))).toEqual([issuer.kid]);
    });

    it("E7: rejects ids that are not registered as it does unknown kids, and asks nobody", async () => {
      const registry = create();
      register(registry);
      const ids = ["other", "__proto__", "constructor", "", "../acme", `${server.url}?`];
      for (const id of ids) {
        await expect(registry.resolve(id, "staff")).rejects.toMatchObject(NOT_FOUND);
        await expect(registry.resolve("acme", id)).rejects.toMatchObject(NOT_FOUND);
        await expect(registry.refresh("acme", id)).rejects.toMatchObject(NOT_FOUND);
        expect(registry.status(id, "staff")).toBeUndefined();
        expect(registry.provider("acme", id)).toBeUndefined();
        expect(registry.unregister(id, id)).toBe(false);
      }
      expect(registry.statuses("__proto__")).toEqual([]);
      expect(server.hits).toBe(0);
    });

    it("lets a caller leave alone", async () => {
      const hanging = await startHanging();
      const registry = create();
      register(registry, { url: hanging.url });
      const leaving = new AbortController();
      const left = registry.resolve("acme", "staff", undefined, { signal: leaving.signal });
      const refreshed = registry.refresh("acme", "staff", { signal: leaving.signal });
      const stays = expect(registry.resolve("acme", "staff")).rejects.toMatchObject(UNAVAILABLE);
      await hanging.reached(1);
      leaving.abort(new Error("gone"));
      const reasons = (await Promise.allSettled([left, refreshed])).map(
        (result) => result.status === "rejected" && result.reason,
      );
      expect(reasons).toEqual([leaving.signal.reason, leaving.signal.reason]);
      await clock.advance(3 * SECOND);
      await stays;
    });

    it("H1: sends one request per provider for 100 callers each of 100 providers", async () => {
      const registry = create();
      const pairs = Array.from({ length: 100 }, (_, index) => [`tenant-${index % 20}`, `p-${index}`] as const);
      for (const [tenantId, providerId] of pairs) register(registry, { tenantId, providerId });
      const asked = Array.from({ length: 100 }, () =>
        pairs.map(([tenant, provider]) => registry.resolve(tenant, provider)),
      );
      const answers = await Promise.all(asked.flat());
      expect(answers.every(([key]) => key?.kid === issuer.kid)).toBe(true);
      expect(server.hits).toBe(100);
    });
  });

  describe("provider()", () => {
    it("gives one key cache for jose and for a trusted issuer, whatever becomes of its registration", async () => {
      const registry = create();
      register(registry);
      const jwks = registry.provider("acme", "staff");
      if (jwks === undefined) throw new Error("not registered");
      await using verifier = createVerifier({
        issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], jwks }],
        allowLoopbackHttp: true,
      });
      const token = await issuer.mint();
      expect((await verifier.verify(token)).subject).toBe("alice");
      expect((await jwtVerify(token, jwks)).payload.sub).toBe("alice");
      expect(server.hits).toBe(1);

      const other = await createTestIssuer();
      const otherServer = await start(() => ({ body: other.jwks() }));
      registry.update({ tenantId: "acme", providerId: "staff", url: otherServer.url });
      expect(registry.provider("acme", "staff")).toBe(jwks);
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
      expect((await verifier.verify(await other.mint())).subject).toBe("alice");

      registry.unregister("acme", "staff");
      await expect(verifier.verify(await other.mint())).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwtVerify(token, jwks)).rejects.toMatchObject(UNAVAILABLE);
    });

    it("does not end with what someone who got it disposes", async () => {
      const registry = create();
      register(registry);
      registry.provider("acme", "staff")?.[Symbol.dispose]();
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
    });

    it("stays ended for who held it, when the same ids are registered again", async () => {
      const registry = create();
      register(registry);
      const before = registry.provider("acme", "staff");
      expect(registry.unregister("acme", "staff")).toBe(true);
      expect(registry.unregister("acme", "staff")).toBe(false);
      register(registry);
      await expect(before?.getKey({ kid: issuer.kid, alg: "ES256" })).rejects.toMatchObject(UNAVAILABLE);
      expect(registry.provider("acme", "staff")).not.toBe(before);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
    });

    it("E9: gives no key that the issuer has taken out, once the set is refreshed", async () => {
      const registry = create({ defaults: { maxTtlMs: MINUTE } });
      register(registry);
      const removed = issuer.kid;
      const token = await issuer.mint();
      const jwks = registry.provider("acme", "staff") ?? createLocalJWKSet({ keys: [] });
      await jwtVerify(token, jwks);
      await issuer.rotate();
      issuer.remove(removed);
      await clock.advance(MINUTE);
      await registry.refresh("acme", "staff");
      await expect(jwtVerify(token, jwks)).rejects.toMatchObject(NOT_FOUND);
      await expect(registry.resolve("acme", "staff", removed)).rejects.toMatchObject(NOT_FOUND);
    });
  });

  describe("update()", () => {
    it("keeps the keys in hand, has them confirmed, and makes the new limits count", async () => {
      const registry = create();
      register(registry, { staleWhileErrorMs: 60 * MINUTE });
      await registry.resolve("acme", "staff");
      server.answer({ status: 503 });
      registry.update({ tenantId: "acme", providerId: "staff", url: server.url, staleWhileErrorMs: MINUTE });
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      await server.reached(2);
      await clock.advance(11 * MINUTE - 1);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      await clock.advance(1);
      await expect(registry.resolve("acme", "staff")).rejects.toMatchObject(UNAVAILABLE);
    });

    it("has callers wait on for the keys of the new URL", async () => {
      const hanging = await startHanging();
      const registry = create();
      register(registry, { url: hanging.url });
      const waiting = kidsOf(registry.resolve("acme", "staff"));
      await hanging.reached(1);
      registry.update({ tenantId: "acme", providerId: "staff", url: server.url });
      expect(await waiting).toEqual([issuer.kid]);
      await hanging.reachedAborts(1);
    });

    it("I4: keeps what only code can say, so that changing a limit drops no pin", async () => {
      const registry = create({ defaults: { allowLoopbackHttp: false } });
      const sent: string[] = [];
      const pinned: JwksFetch = async (url, init) => {
        sent.push(url);
        return fetch(url, init);
      };
      register(registry, { fetch: pinned, allowLoopbackHttp: true });
      registry.update({ tenantId: "acme", providerId: "staff", url: server.url, maxTtlMs: 60 * MINUTE });
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(sent).toEqual([server.url]);
      registry.update({
        tenantId: "acme",
        providerId: "staff",
        url: `${server.url}?other`,
        fetch: (...of) => fetch(...of),
      });
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(sent).toEqual([server.url]);
    });

    it("changes nothing when it is refused", async () => {
      const registry = create();
      register(registry, { issuer: issuer.issuer });
      await registry.resolve("acme", "staff");
      const before = registry.status("acme", "staff");
      for (const change of [{ retries: -1 }, { url: "http://idp.example/" }, { issuer: "" }, { maxTtl: 1 }]) {
        const registration = { tenantId: "acme", providerId: "staff", url: server.url, ...change };
        expect(() => registry.update(registration)).toThrow(/^registration\./);
      }
      expect(registry.status("acme", "staff")).toEqual(before);
    });
  });

  describe("status()", () => {
    it("tells who a provider is and how it is doing", async () => {
      const registry = create();
      register(registry, { issuer: issuer.issuer });
      await registry.resolve("acme", "staff");
      await registry.resolve("acme", "staff", issuer.kid);
      const nowMs = clock.nowMs();
      expect(registry.status("acme", "staff")).toEqual({
        tenantId: "acme",
        providerId: "staff",
        url: server.url,
        issuer: issuer.issuer,
        ...registry.provider("acme", "staff")?.status(),
      });
      expect(registry.status("acme", "staff")).toMatchObject({
        state: "ready",
        kids: [issuer.kid],
        fetchedAtMs: nowMs,
        expiresAtMs: nowMs + 10 * MINUTE,
        hits: 1,
      });
    });

    it("lists all, or those of a tenant, in the order of registration", () => {
      const registry = create();
      for (const [tenantId, providerId] of [
        ["b", "x"],
        ["a", "x"],
        ["b", "a"],
        ["__proto__", "x"],
      ] as const) {
        register(registry, { tenantId, providerId });
      }
      registry.update({ tenantId: "b", providerId: "x", url: server.url, issuer: "https://b.example" });
      const names = (tenantId?: string): string[] =>
        registry.statuses(tenantId).map((status) => `${status.tenantId}/${status.providerId}`);
      expect(names()).toEqual(["b/x", "a/x", "b/a", "__proto__/x"]);
      expect(names("b")).toEqual(["b/x", "b/a"]);
      expect(registry.statuses("b")[0]?.issuer).toBe("https://b.example");
    });
  });

  describe("isolation", () => {
    it("A10: a tenant of a name that objects have is a tenant like any other", async () => {
      const registry = create();
      for (const id of ["__proto__", "constructor", "toString"]) {
        register(registry, { tenantId: id, providerId: id });
        expect(await kidsOf(registry.resolve(id, id))).toEqual([issuer.kid]);
      }
      await expect(registry.resolve("hasOwnProperty", "toString")).rejects.toMatchObject(NOT_FOUND);
    });

    it.each([
      ["the first", 0],
      ["the second", 1],
    ])("E5: never verifies by another's key of the same kid, with %s asked first", async (_name, first) => {
      const other = await createTestIssuer();
      const otherServer = await start(() => ({ body: other.jwks() }));
      expect(other.kid).toBe(issuer.kid);
      const registry = create();
      register(registry, { tenantId: "a", providerId: "p" });
      register(registry, { tenantId: "b", providerId: "p", url: otherServer.url });
      const [a, b] = [registry.provider("a", "p"), registry.provider("b", "p")];
      if (a === undefined || b === undefined) throw new Error("not registered");
      const [token, otherToken] = [await issuer.mint(), await other.mint()];
      const asked = [() => jwtVerify(token, a), () => jwtVerify(otherToken, b)];
      await Promise.all((first === 0 ? asked : asked.toReversed()).map((ask) => ask()));
      for (const [swapped, jwks] of [
        [otherToken, a],
        [token, b],
      ] as const) {
        await expect(jwtVerify(swapped, jwks)).rejects.toMatchObject({ code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
      }
      const [keys, otherKeys] = await Promise.all([registry.resolve("a", "p"), registry.resolve("b", "p")]);
      expect(keys[0]?.x).toBe(issuer.jwks().keys[0]?.x);
      expect(otherKeys[0]?.x).toBe(other.jwks().keys[0]?.x);
    });

    it("E6: ids and kids that would run together as text stay apart", async () => {
      const other = await createTestIssuer();
      const otherServer = await start(() => ({ body: other.jwks() }));
      const registry = create();
      register(registry, { tenantId: "a", providerId: "b-c" });
      register(registry, { tenantId: "a-b", providerId: "c", url: otherServer.url });
      const [[key], [otherKey]] = await Promise.all([registry.resolve("a", "b-c"), registry.resolve("a-b", "c")]);
      expect([key?.x, otherKey?.x]).toEqual([issuer.jwks().keys[0]?.x, other.jwks().keys[0]?.x]);
      await expect(registry.resolve("a", "b-c", `c:${other.kid}`)).rejects.toMatchObject(NOT_FOUND);
      expect(otherServer.hits).toBe(1);
    });

    it("a tenant of 100 hanging providers is in no other's way", async () => {
      const hanging = await startHanging();
      const registry = create();
      register(registry);
      const stuck = Array.from({ length: 100 }, (_, index) => {
        register(registry, { tenantId: "slow", providerId: `p-${index}`, url: hanging.url });
        return expect(registry.resolve("slow", `p-${index}`)).rejects.toMatchObject(UNAVAILABLE);
      });
      await hanging.reached(8);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(hanging.hits).toBe(8);
      await registry[Symbol.asyncDispose]();
      await Promise.all(stuck);
      expect(hanging.hits).toBe(8);
    });

    it("many hanging tenants leave room for another's first request", async () => {
      const hanging = await startHanging();
      const registry = create();
      register(registry);
      const stuck = Array.from({ length: 12 * 8 }, (_, index) => {
        const ids = [`slow-${index % 12}`, `p-${index}`] as const;
        register(registry, { tenantId: ids[0], providerId: ids[1], url: hanging.url });
        return expect(registry.resolve(...ids)).rejects.toMatchObject(UNAVAILABLE);
      });
      await hanging.reached(48);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(hanging.hits).toBe(48);
      await registry[Symbol.asyncDispose]();
      await Promise.all(stuck);
    });

    it("H2: a flood of unknown kids of one tenant is nothing to another", async () => {
      const hanging = await start({ body: issuer.jwks() });
      const registry = create({ defaults: { maxPendingCallers: 10 } });
      register(registry);
      register(registry, { tenantId: "flooded", url: hanging.url });
      await registry.resolve("flooded", "staff");
      hanging.answer({ after: new Promise(() => {}) });
      const flood = Array.from({ length: 1_000 }, (_, index) =>
        registry.resolve("flooded", "staff", `stranger-${index}`),
      );
      const settled = Promise.allSettled(flood);
      await hanging.reached(2);
      expect(await kidsOf(registry.resolve("acme", "staff"))).toEqual([issuer.kid]);
      expect(await kidsOf(registry.resolve("flooded", "staff", issuer.kid))).toEqual([issuer.kid]);
      await clock.advance(3 * SECOND);
      const codes = (await settled).map((result) => (result.status === "rejected" ? result.reason.code : "none"));
      expect(codes.filter((code) => code === "ERR_TOO_MANY_PENDING")).toHaveLength(990);
      expect([server.hits, hanging.hits]).toEqual([1, 2]);
    });
  });

  describe("events and measurements", () => {
    it("tells whose key set it is, and goes on when the listener fails", async () => {
      const events: JwksRegistryEvent[] = [];
      const registry = create({
        onEvent(event) {
          events.push(event);
          throw new Error("of no concern to callers");
        },
      });
      register(registry);
      register(registry, { tenantId: "umbrella", url: (await start({ status: 503 })).url });
      await registry.resolve("acme", "staff");
      await expect(registry.resolve("umbrella", "staff")).rejects.toMatchObject(UNAVAILABLE);
      expect(events).toEqual([
        { type: "refreshed", kind: "refresh", changed: true, unusableKeys: 0, tenantId: "acme", providerId: "staff" },
        {
          type: "refresh_failed",
          kind: "refresh",
          code: "ERR_KEYS_UNAVAILABLE",
          consecutiveFailures: 1,
          tenantId: "umbrella",
          providerId: "staff",
        },
      ]);
    });

    it("L3: labels measurements with the ids that were registered, and with nothing that a token says", async () => {
      const labels: Labels[] = [];
      const note = (_name: string, ...rest: unknown[]): void => void labels.push(rest.at(-1) as Labels);
      const telemetry: Telemetry = { count: note, record: note };
      const registry = create({ telemetry });
      register(registry);
      for (const kid of [undefined, issuer.kid, "stranger-1", "stranger-2"]) {
        await registry.resolve("acme", "staff", kid).catch(() => {});
        await registry.resolve("stranger-3", "staff", kid).catch(() => {});
      }
      expect(labels.length).toBeGreaterThan(0);
      for (const each of labels) expect(each).toMatchObject({ tenant: "acme", provider: "staff" });
      expect(JSON.stringify(labels)).not.toContain("stranger");
    });
  });

  describe("[Symbol.asyncDispose]()", () => {
    it("H16: ends requests, waits and timers, and leaves nothing to register or resolve", async () => {
      const hanging = await startHanging();
      const registry = create({ maxConcurrentRequests: 1 });
      register(registry);
      await registry.resolve("acme", "staff");
      const jwks = registry.provider("acme", "staff");
      register(registry, { tenantId: "slow", url: hanging.url });
      register(registry, { tenantId: "waits" });
      const stuck = ["slow", "waits"].map((tenantId) =>
        expect(registry.resolve(tenantId, "staff")).rejects.toMatchObject(UNAVAILABLE),
      );
      await hanging.reached(1);
      expect(clock.pendingTimers).toBeGreaterThan(0);
      await Promise.all([registry[Symbol.asyncDispose](), registry[Symbol.asyncDispose]()]);
      await Promise.all(stuck);
      await hanging.reachedAborts(1);
      expect(clock.pendingTimers).toBe(0);

      const registration = { tenantId: "acme", providerId: "staff", url: server.url };
      expect(() => registry.register(registration)).toThrow("The registry is disposed");
      expect(() => registry.update(registration)).toThrow("The registry is disposed");
      await expect(registry.resolve("acme", "staff")).rejects.toMatchObject(UNAVAILABLE);
      await expect(registry.refresh("acme", "staff")).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwks?.getKey({ kid: issuer.kid, alg: "ES256" })).rejects.toMatchObject(UNAVAILABLE);
      expect(registry.unregister("acme", "staff")).toBe(false);
      expect(registry.provider("acme", "staff")).toBeUndefined();
      expect(registry.status("acme", "staff")).toBeUndefined();
      expect(registry.statuses()).toEqual([]);
      const nothing = { done: 0, missing: 0, refused: 0, failed: 0 };
      expect(await registry.persistAll()).toEqual(nothing);
      expect(await registry.restore()).toEqual(nothing);
      expect(server.hits).toBe(1);
    });

    it("H16: ends the request and the timer of a provider that is unregistered", async () => {
      const hanging = await startHanging();
      const registry = create();
      register(registry);
      register(registry, { tenantId: "slow", url: hanging.url });
      await registry.resolve("acme", "staff");
      const stuck = expect(registry.resolve("slow", "staff")).rejects.toMatchObject(UNAVAILABLE);
      await hanging.reached(1);
      registry.unregister("acme", "staff");
      registry.unregister("slow", "staff");
      await stuck;
      await hanging.reachedAborts(1);
      expect(clock.pendingTimers).toBe(0);
      await expect(registry.resolve("acme", "staff")).rejects.toMatchObject(NOT_FOUND);
    });

    it("H16: does not keep a process alive, though it is never called", async () => {
      const hanging = await startHanging();
      const child = startTypescript("jwks-registry-process.ts", server.url, hanging.url);
      expect(await child.nextLine()).toBe(issuer.kid);
      expect(await child.nextLine()).toBe("done");
      await expect(child.nextLine()).rejects.toThrow("has ended");
    });
  });
});
