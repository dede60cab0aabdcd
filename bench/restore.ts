// A service of many tenants that starts: how long until it has the key sets that another process left in Redis.
import { randomBytes } from "node:crypto";
import { createJwksRegistry, type JwksRegistry, type SnapshotOptions } from "latchkey/jwks";
import { createTestIssuer } from "latchkey/testing";
import { openRedisStore } from "../test/support/redis-store.ts";
import type { Figure } from "./figure.ts";
import { median } from "./rounds.ts";

const PROVIDERS = 1_000;
const KEYS_PER_PROVIDER = 2;
const STARTS = 3;
const ANSWER = { headers: { "content-type": "application/json", etag: '"1"' } };

/**
 * Connecting, registering, reading, checking and importing; and of the confirmations by the issuers, which begin at once,
 * those that fall into that time.
 */
export async function measureRestore(): Promise<Figure[]> {
  const secret = randomBytes(32);
  const urls = Array.from({ length: PROVIDERS }, (_, index) => `https://idp-${index}.example/jwks.json`);
  const open = (snapshots: SnapshotOptions, fetch: (url: string) => Promise<Response>): JwksRegistry => {
    const registry = createJwksRegistry({ snapshots, defaults: { fetch } });
    urls.forEach((url, index) => {
      registry.register({ tenantId: `tenant-${index}`, providerId: "idp", url });
    });
    return registry;
  };
  await using redis = await openRedisStore();
  try {
    {
      const snapshots = { store: redis.keyv, secret, timeoutMs: 10_000 };
      await using before = open(snapshots, async () => new Response(await publish(), ANSWER));
      await Promise.all(urls.map((_, index) => before.refresh(`tenant-${index}`, "idp")));
      const { done } = await before.persistAll();
      if (done !== PROVIDERS) throw new Error(`only ${done} of ${PROVIDERS} key sets were written to Redis`);
    }
    const startsMs: number[] = [];
    let restored = PROVIDERS;
    for (let start = 0; start < STARTS; start++) {
      const startedMs = performance.now();
      await using store = await openRedisStore(redis.namespace);
      await using registry = open({ store: store.keyv, secret }, async () => new Response(null, { status: 304 }));
      const { done } = await registry.restore();
      startsMs.push(performance.now() - startedMs);
      const usable = registry.statuses().filter(({ kids }) => kids.length === KEYS_PER_PROVIDER).length;
      restored = Math.min(restored, done, usable);
    }
    return [
      { name: "warm restore from Redis, providers", value: restored, unit: "", min: PROVIDERS },
      { name: "warm restore of 1,000 providers from Redis", value: median(startsMs), unit: "ms", max: 1_000 },
    ];
  } finally {
    await redis.clear();
  }
}

async function publish(): Promise<string> {
  const issuer = await createTestIssuer();
  for (let keys = 1; keys < KEYS_PER_PROVIDER; keys++) await issuer.rotate();
  return JSON.stringify(issuer.jwks());
}
