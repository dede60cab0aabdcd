// A key in hand: what finding it costs in small and large sets, in small and large registries, and beside jose.
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { createJwks, createJwksRegistry, type Jwks, type JwksOptions, type JwksRegistry } from "latchkey/jwks";
import { createTestIssuer } from "latchkey/testing";
import type { Figure } from "./figure.ts";
import { compare, type Work } from "./rounds.ts";

const MANY_KEYS = 10_000;
const MANY_PROVIDERS = 1_000;
const MINUTE = 60 * 1_000;

/** Ratios of times, where above 1 is slower; those beside jose are of throughput, where above 1 is faster. */
export async function measureLookup(): Promise<Figure[]> {
  return [...(await measureKeys()), ...(await measureProviders())];
}

async function measureKeys(): Promise<Figure[]> {
  const [smallSet, largeSet] = [await publish(1), await publish(MANY_KEYS)];
  using small = await openJwks(smallSet);
  using large = await openJwks(largeSet);
  const smallKids = small.status().kids;
  const largeKids = large.status().kids;
  const sizes = await compare(findOne(small, smallKids), findOne(large, largeKids));
  const scattered = await compare(findAll(small, smallKids), findAll(large, largeKids));
  const local = createLocalJWKSet(smallSet);
  const peer = await compare(findOne(small, smallKids), findOne(local, smallKids));
  const largeLocal = createLocalJWKSet(largeSet);
  const largePeer = await compare(findOne(large, largeKids), findOne(largeLocal, largeKids), 20);
  return [
    { name: "key look-up, 1 key", value: sizes.baseNs, unit: "ns" },
    { name: "key look-up, 10,000 keys", value: sizes.otherNs, unit: "ns" },
    { name: "key look-up, time with 10,000 keys against 1", value: sizes.ratio, unit: "x", max: 1.2 },
    // Each key is then far from the last in memory: what this shows is the machine's caches.
    { name: "the same, each look-up for another of the keys", value: scattered.ratio, unit: "x" },
    { name: "key look-up, 1 key, throughput against jose", value: peer.ratio, unit: "x", min: 1 },
    { name: "key look-up, 10,000 keys, throughput against jose", value: largePeer.ratio, unit: "x", min: 1 },
  ];
}

async function measureProviders(): Promise<Figure[]> {
  await using few = await openRegistry(1);
  await using many = await openRegistry(MANY_PROVIDERS);
  const sizes = await compare(resolveOne(few, 1), resolveOne(many, MANY_PROVIDERS));
  return [
    { name: "look-up through a registry, 1 provider", value: sizes.baseNs, unit: "ns" },
    { name: "look-up through a registry, 1,000 providers", value: sizes.otherNs, unit: "ns" },
    { name: "look-up, time with 1,000 providers against 1", value: sizes.ratio, unit: "x", max: 1.2 },
  ];
}

/** A set of that many keys: one key pair under many names, since making pairs takes longer than all else here. */
async function publish(keys: number): Promise<JSONWebKeySet> {
  const [jwk] = (await createTestIssuer()).jwks().keys;
  return { keys: Array.from({ length: keys }, (_, index) => ({ ...jwk, kty: "EC", kid: `${index}-of-${keys}` })) };
}

function answering(set: JSONWebKeySet): JwksOptions {
  const body = JSON.stringify(set);
  return {
    maxKeys: set.keys.length,
    maxBodyBytes: body.length,
    attemptTimeoutMs: MINUTE,
    totalTimeoutMs: MINUTE,
    fetch: async () => new Response(body, { headers: { "content-type": "application/json" } }),
  };
}

async function openJwks(set: JSONWebKeySet): Promise<Jwks> {
  const jwks = createJwks("https://issuer.example/jwks.json", answering(set));
  await jwks.refresh();
  return jwks;
}

async function openRegistry(providers: number): Promise<JwksRegistry> {
  const registry = createJwksRegistry({ defaults: answering(await publish(1)) });
  for (let index = 0; index < providers; index++) {
    const providerId = `provider-${index}`;
    registry.register({ tenantId: "acme", providerId, url: `https://issuer-${index}.example/jwks.json` });
    await registry.refresh("acme", providerId);
  }
  return registry;
}

/** Looks for one key again and again, for another one in each round. */
function findOne(jwks: (query: { kid: string; alg: string }) => Promise<CryptoKey>, kids: readonly string[]): Work {
  return async (times) => {
    const query = { kid: pick(kids), alg: "ES256" };
    for (let index = 0; index < times; index++) await jwks(query);
  };
}

/** Looks for all keys in turn, in no order. */
function findAll(jwks: Jwks, kids: readonly string[]): Work {
  const queries = Array.from({ length: MANY_KEYS }, () => ({ kid: pick(kids), alg: "ES256" }));
  return async (times) => {
    for (let index = 0; index < times; index++) await jwks(queries[index % MANY_KEYS] ?? {});
  };
}

/** Looks for the key of one provider again and again, of another one in each round. */
function resolveOne(registry: JwksRegistry, providers: number): Work {
  return async (times) => {
    const providerId = `provider-${Math.floor(Math.random() * providers)}`;
    for (let index = 0; index < times; index++) await registry.resolve("acme", providerId, "0-of-1");
  };
}

function pick(kids: readonly string[]): string {
  return kids[Math.floor(Math.random() * kids.length)] ?? "";
}
