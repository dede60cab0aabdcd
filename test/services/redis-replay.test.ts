import { randomBytes } from "node:crypto";
import { createClient } from "@keyv/redis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/lib/clock.js";
import { createDpopVerifier, type DpopVerifier } from "../../src/verify/dpop-verifier.js";
import { createProver } from "../support/prover.js";

const url = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";

/** A server with a connection of its own, which remembers proofs as the docstring of `ReplayStore` shows. */
async function startServer(prefix: string): Promise<{ readonly dpop: DpopVerifier; stop(): unknown }> {
  const redis = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: false } });
  redis.on("error", () => {});
  await redis.connect();
  const claim = async (id: string, expiresAtMs: number): Promise<boolean> => {
    const value = Math.max(1, Math.ceil(expiresAtMs - Date.now()));
    const answer = await redis.set(`${prefix}${id}`, "", { condition: "NX", expiration: { type: "PX", value } });
    return answer !== null;
  };
  return {
    dpop: createDpopVerifier({ replayStore: { claim } }, { clock: systemClock, toleranceMs: 5_000 }),
    stop: () => redis.isOpen && redis.destroy(),
  };
}

describe("a replay store in Redis", () => {
  const servers: Awaited<ReturnType<typeof startServer>>[] = [];
  beforeEach(async () => {
    const prefix = `latchkey-test-${randomBytes(6).toString("hex")}:`;
    servers.push(await startServer(prefix), await startServer(prefix));
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.stop();
  });

  it("E10: lets one of many equal proofs pass that come to two servers at the same time", async () => {
    const prover = await createProver(systemClock);
    for (let round = 0; round < 10; round++) {
      const call = await prover.call();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => servers[index % 2]?.dpop.check(call)),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "ERR_PROOF_REPLAYED" });
      }
    }
  });

  it("E10: lets nobody pass when the connection is gone", async () => {
    const prover = await createProver(systemClock);
    const [first, second] = servers;
    first?.stop();
    await expect(first?.dpop.check(await prover.call())).rejects.toMatchObject({ code: "ERR_REPLAY_UNAVAILABLE" });
    await expect(second?.dpop.check(await prover.call())).resolves.toBeUndefined();
  });
});
