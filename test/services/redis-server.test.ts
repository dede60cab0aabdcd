import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createClient as createRedisClient } from "@keyv/redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createLogger } from "../../src/app/server/logger.js";
import { type RunningServer, startServer } from "../../src/app/server/start-server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createTextSink, type TextSink } from "../support/cli.js";
import { startJwksServer } from "../support/jwks-server.js";

const redisUrl = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";
const secrets = [randomBytes(32).toString("base64")];

describe("a server that keeps key sets in Redis", () => {
  const redis = createRedisClient({ url: redisUrl });
  // Part of every key, so that nobody else's are touched.
  const publicUrl = `http://jobs-${randomBytes(4).toString("hex")}.test`;
  let directory: string;
  let issuer: TestIssuer;
  beforeAll(async () => {
    await redis.connect();
    directory = await mkdtemp(join(tmpdir(), "latchkey-test-"));
    issuer = await createTestIssuer({ issuer: "https://idp.test", audience: "latchkey" });
  });
  afterAll(async () => {
    for (const key of await findKeys()) await redis.del(key);
    await redis.close();
    await rm(directory, { recursive: true, force: true });
  });

  const findKeys = (): Promise<string[]> => redis.keys(`latchkey:jwks:${publicUrl}:*`);

  async function start(jwksUri: string, log: TextSink, own: readonly string[] = secrets): Promise<RunningServer> {
    return startServer({
      dataDir: join(directory, "data"),
      port: 0,
      publicUrl,
      log: createLogger(log, "debug"),
      snapshots: { redisUrl, secrets: own },
      trustedIssuers: [{ issuer: issuer.issuer, audience: "latchkey", algorithms: ["ES256"], jwksUri }],
    });
  }

  async function list({ url }: RunningServer): Promise<unknown> {
    const token = await issuer.mint({ claims: { roles: ["worker"] } });
    const jobs = createClient(JobService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    return jobs.listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${token}` } });
  }

  it("serves callers of an issuer that is down after its restart, and not with keys that it cannot authenticate", async () => {
    await using keys = await startJwksServer({ body: issuer.jwks() });
    const first = await start(keys.url, createTextSink());
    await list(first);
    await first.close();
    const kept = await Promise.all((await findKeys()).map((key) => redis.get(key)));
    expect(await findKeys()).toContain(`latchkey:jwks:${publicUrl}:trust:idp.test`);
    expect(kept.filter((text) => text?.includes(issuer.kid))).toHaveLength(1);

    keys.answer({ status: 500 });
    const log = createTextSink();
    const second = await start(keys.url, log);
    await list(second);
    expect(log.text).not.toContain("snapshot_failed");
    await second.close();

    const third = await start(keys.url, log, [randomBytes(32).toString("base64")]);
    const refusal = ConnectError.from(await list(third).catch((error: unknown) => error));
    expect(refusal.code).toBe(Code.Unavailable);
    expect(log.text).toContain('"type":"snapshot_failed"');
    await third.close();
    for (const secret of secrets) expect(log.text).not.toContain(secret);
  }, 90_000);
});
