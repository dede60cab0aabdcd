import fc from "fast-check";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { AuthError } from "../../src/errors.js";
import type { Jwks } from "../../src/jwks/jwks.js";
import type { JwksFetch } from "../../src/jwks/jwks-options.js";
import { createJwksRegistry } from "../../src/jwks/jwks-registry.js";
import type { JwksRegistration } from "../../src/jwks/registration.js";
import type { RequestLimits } from "../../src/jwks/request-limiter.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const MAX_TTL_MS = 60 * MINUTE;
const STALE_MS = 10 * MINUTE;
const TENANTS = ["a", "a", "__proto__"] as const;

/** How an issuer answers: at once, with an error, or when it is told to. */
type Mode = "ok" | "fail" | "wait";

const provider = fc.nat(TENANTS.length - 1);
const url = fc.nat(1);
const mode = fc.constantFrom<Mode>("ok", "fail", "wait");
const kid = fc.constantFrom(undefined, "newest", "stranger");
const maxKeys = fc.integer({ min: 1, max: 9 });
const ms = fc.constantFrom(SECOND, 3 * SECOND, 30 * SECOND, 9 * MINUTE, 59 * MINUTE, 71 * MINUTE);
const command = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant("register" as const), provider, url }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("update" as const), provider, url, maxKeys }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unregister" as const), provider }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("resolve" as const), provider, kid }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("refresh" as const), provider }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rotate" as const), provider, url }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("mode" as const), provider, url, mode }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("answer" as const), provider }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("advance" as const), ms }) },
);
const commands = fc.array(command, { minLength: 10, maxLength: 60, size: "max" });
const modes = fc.array(mode, { minLength: TENANTS.length, maxLength: TENANTS.length });
const limits = fc.constantFrom([2, 1], [2, 2], [3, 3]).map(([maxConcurrentRequests = 0, perTenant = 0]) => ({
  maxConcurrentRequests,
  maxConcurrentRequestsPerTenant: perTenant,
}));

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Issuer {
  readonly provider: number;
  mode: Mode;
  serial: number;
}

/** Issuers at two URLs per provider, of which each remembers when a request of its keys was sent and answered. */
function createIssuers(
  clock: ManualClock,
  jwk: JWK,
  { maxConcurrentRequests, maxConcurrentRequestsPerTenant }: RequestLimits,
) {
  const issuers = new Map<string, Issuer>();
  const confirmedAtMs = new Map<string, number>();
  const underWay = new Map<object, Issuer>();
  const waiting = new Map<object, () => void>();
  const excesses: string[] = [];

  const hrefOf = (index: number, path: number): string => `https://issuer.test/${index}/${path}`;
  const issuerAt = (href: string): Issuer => {
    const issuer = issuers.get(href) ?? { provider: Number(href.split("/")[3]), mode: "ok", serial: 0 };
    issuers.set(href, issuer);
    return issuer;
  };
  const count = (matches: (issuer: Issuer) => boolean): number => [...underWay.values()].filter(matches).length;

  const fetch: JwksFetch = async (href, { signal }) => {
    const issuer = issuerAt(href);
    const sentAtMs = clock.monotonicMs();
    const request = {};
    underWay.set(request, issuer);
    const sameTenant = count((other) => TENANTS[other.provider] === TENANTS[issuer.provider]);
    if (underWay.size > maxConcurrentRequests) excesses.push(`${underWay.size} requests`);
    if (sameTenant > maxConcurrentRequestsPerTenant) excesses.push(`${sameTenant} requests of a tenant`);
    if (count((other) => other.provider === issuer.provider) > 1) excesses.push("two requests of a provider");
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => {
          underWay.delete(request);
          reject(signal.reason);
        });
        if (issuer.mode === "wait") waiting.set(request, resolve);
        else resolve();
      });
      if (issuer.mode === "fail") return new Response(null, { status: 503 });
      const kid = `${href}#${issuer.serial}`;
      confirmedAtMs.set(kid, Math.max(confirmedAtMs.get(kid) ?? 0, sentAtMs));
      return Response.json({ keys: [{ ...jwk, kid }] }, { headers: { "cache-control": "max-age=31536000" } });
    } finally {
      underWay.delete(request);
      waiting.delete(request);
    }
  };

  return {
    fetch,
    hrefOf,
    issuerAt,
    confirmedAtMs,
    excesses,
    newestKid: (href: string): string => `${href}#${issuerAt(href).serial}`,
    underWay: () => underWay.size,
    answer(index: number): void {
      for (const [request, resolve] of waiting) if (underWay.get(request)?.provider === index) resolve();
    },
  };
}

describe("createJwksRegistry()", () => {
  it("E9 H7: never serves a key of another URL or past its life, nor sends more requests than it may", {
    timeout: 60 * SECOND,
  }, async () => {
    const { publicKey } = await generateKeyPair("ES256");
    const jwk = { ...(await exportJWK(publicKey)), alg: "ES256" };
    let served = 0;
    await fc.assert(
      fc.asyncProperty(limits, modes, commands, async (caps, initialModes, steps) => {
        const clock = createManualClock();
        const issuers = createIssuers(clock, jwk, caps);
        const registry = createJwksRegistry({
          clock,
          ...caps,
          // Seldom enough that an hour of failures costs a test little.
          defaults: {
            maxTtlMs: MAX_TTL_MS,
            staleWhileErrorMs: STALE_MS,
            cooldownMs: 5 * MINUTE,
            retries: 1,
            fetch: issuers.fetch,
          },
        });
        const registered = new Map<number, { readonly href: string; readonly jwks: Jwks }>();
        const ended: Jwks[] = [];
        const asked: Promise<unknown>[] = [];

        const assertServable = (index: number, kid: string): void => {
          served++;
          expect(kid.split("#")[0]).toBe(registered.get(index)?.href);
          expect(clock.monotonicMs() - (issuers.confirmedAtMs.get(kid) ?? Number.NaN)).toBeLessThan(
            MAX_TTL_MS + STALE_MS,
          );
        };
        const assertRules = (): void => {
          expect(issuers.excesses).toEqual([]);
          for (const kid of issuers.confirmedAtMs.keys()) {
            for (const [index, { jwks }] of registered) {
              if (jwks.peekKey({ kid, alg: "ES256" }) !== undefined) assertServable(index, kid);
            }
            for (const jwks of ended) expect(jwks.peekKey({ kid, alg: "ES256" })).toBeUndefined();
          }
        };
        const ask = (work: Promise<unknown>): void => {
          const outcome = work.catch((error: unknown) => expect(error).toBeInstanceOf(AuthError));
          // Whoever fails says so at the end.
          outcome.catch(() => {});
          asked.push(outcome);
        };
        const run = (next: Command): Promise<void> | undefined => {
          if (next.type === "advance") return clock.advance(next.ms);
          const tenantId = TENANTS[next.provider] ?? "";
          const providerId = `p${next.provider}`;
          const known = registered.get(next.provider);
          const href = "url" in next ? issuers.hrefOf(next.provider, next.url) : (known?.href ?? "");
          const registration: JwksRegistration = { tenantId, providerId, url: href };
          switch (next.type) {
            case "register":
            case "update": {
              const apply = (): void =>
                next.type === "register"
                  ? registry.register(registration)
                  : registry.update({ ...registration, maxKeys: next.maxKeys });
              if ((known === undefined) !== (next.type === "register")) {
                expect(apply).toThrow(TypeError);
                return undefined;
              }
              apply();
              const jwks = registry.provider(tenantId, providerId);
              if (jwks === undefined) throw new Error("not registered");
              if (known !== undefined) expect(jwks).toBe(known.jwks);
              registered.set(next.provider, { href, jwks });
              return undefined;
            }
            case "unregister":
              expect(registry.unregister(tenantId, providerId)).toBe(known !== undefined);
              registered.delete(next.provider);
              if (known !== undefined) ended.push(known.jwks);
              return undefined;
            case "resolve": {
              const kid = next.kid === "newest" ? issuers.newestKid(href) : next.kid;
              ask(
                registry.resolve(tenantId, providerId, kid).then((keys) => {
                  expect(keys.length).toBeGreaterThan(0);
                  for (const key of keys) assertServable(next.provider, key.kid);
                }),
              );
              return undefined;
            }
            case "refresh":
              ask(registry.refresh(tenantId, providerId));
              return undefined;
            case "rotate":
              issuers.issuerAt(href).serial++;
              return undefined;
            case "mode":
              issuers.issuerAt(href).mode = next.mode;
              return undefined;
            case "answer":
              issuers.answer(next.provider);
              return undefined;
          }
        };

        for (const [index, mode] of initialModes.entries()) {
          issuers.issuerAt(issuers.hrefOf(index, 0)).mode = mode;
          await run({ type: "register", provider: index, url: 0 });
        }
        for (const next of steps) {
          await run(next);
          assertRules();
          await clock.advance(0);
          assertRules();
        }
        await registry[Symbol.asyncDispose]();
        await Promise.all(asked);
        assertRules();
        expect(issuers.underWay()).toBe(0);
        // What nobody waits for ends a few turns later.
        while (clock.pendingTimers > 0) await clock.advance(0);
      }),
      { numRuns: 80, timeout: 10_000, endOnFailure: true },
    );
    expect(served).toBeGreaterThan(0);
  });
});
