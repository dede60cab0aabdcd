import { describe, expect, it } from "vitest";
import {
  isReadOnlyProvider,
  openKeyRegistry,
  registerOwnIssuer,
  registerTrustedIssuers,
} from "../../../src/app/server/key-registry.js";
import { createLogger } from "../../../src/app/server/logger.js";
import { createResources } from "../../../src/app/server/resources.js";
import type { JwksEvent } from "../../../src/jwks/jwks-event.js";
import { createTestIssuer } from "../../../src/testing/test-issuer.js";
import type { TrustedIssuer } from "../../../src/verify/trusted-issuer.js";
import { createVerifier } from "../../../src/verify/verifier.js";
import { createTextSink } from "../../support/cli.js";
import { startDiscoveryServer } from "../../support/discovery-server.js";
import { type JwksServer, startJwksServer } from "../../support/jwks-server.js";

const trust = (issuer: string, more: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
  issuer,
  audience: "latchkey",
  algorithms: ["ES256"],
  jwksUri: "https://idp.example/jwks.json",
  ...more,
});

async function open(trustedIssuers: readonly TrustedIssuer[]) {
  const log = createTextSink();
  const resources = createResources();
  const logger = createLogger(log, "debug");
  const options = { trustedIssuers, snapshots: undefined, log: logger, issuer: "https://jobs.test" };
  const registry = await openKeyRegistry(options, resources);
  return { registry, log, logger, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
}

describe("openKeyRegistry()", () => {
  it("H18: has a request to spare for each issuer, however many hang", async () => {
    const hanging: JwksServer[] = [];
    const resources = createResources();
    try {
      for (let index = 0; index < 12; index++) {
        const server = await startJwksServer({ after: new Promise(() => {}) });
        resources.use(server);
        hanging.push(server);
      }
      await using good = await startJwksServer({ body: (await createTestIssuer()).jwks() });
      // Nobody is given up on while this runs.
      const jwksOptions = { attemptTimeoutMs: 3_600_000, totalTimeoutMs: 3_600_000 };
      const issuers = [...hanging, good].map(({ url }, index) =>
        trust(`https://${index}.test`, { jwksUri: url, jwksOptions }),
      );
      await using opened = await open(issuers);
      const trusted = registerTrustedIssuers(opened.registry, issuers, opened.logger);
      const waits = trusted.slice(0, -1).map(({ jwks }) => jwks?.refresh());
      const all = Promise.allSettled(waits);
      await Promise.all(hanging.map((server) => server.reached(1)));
      await trusted.at(-1)?.jwks?.refresh();
      expect(good.hits).toBe(1);
      await opened[Symbol.asyncDispose]();
      await all;
    } finally {
      await resources[Symbol.asyncDispose]();
    }
  });

  it("logs what happens to key sets", async () => {
    await using server = await startJwksServer({ body: (await createTestIssuer()).jwks() });
    await using opened = await open([]);
    const { jwks } = registerOwnIssuer(opened.registry, trust("https://jobs.test", { jwksUri: server.url }));
    await jwks?.refresh();
    server.answer({ body: { keys: [] } });
    await jwks?.refresh().catch(() => {});
    const lines = opened.log.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 20, type: "refreshed", tenantId: "latchkey", providerId: "own" },
      { level: 50, type: "alarm" },
      { level: 40, type: "refresh_failed", code: "ERR_KEYS_INVALID" },
    ]);
  });
});

describe("registerTrustedIssuers()", () => {
  it("puts key caches in the place of URLs, under names of their own, and fetches nothing", async () => {
    await using server = await startJwksServer();
    await using opened = await open([]);
    const findKey = async () => undefined;
    const { jwksUri, ...looked } = trust("https://looked-up.test", { findKey });
    const issuers = [
      trust("https://idp.test/a", { jwksUri: server.url, tokenType: null }),
      trust("https://idp.test/b", { jwksUri: server.url, jwksOptions: { cooldownMs: 1 } }),
      looked,
    ];
    const trusted = registerTrustedIssuers(opened.registry, issuers, opened.logger);
    expect(trusted).toEqual([
      {
        issuer: "https://idp.test/a",
        audience: "latchkey",
        algorithms: ["ES256"],
        tokenType: null,
        jwks: opened.registry.provider("trust", "idp.test"),
      },
      {
        issuer: "https://idp.test/b",
        audience: "latchkey",
        algorithms: ["ES256"],
        jwks: opened.registry.provider("trust", "idp.test-2"),
      },
      looked,
    ]);
    expect(trusted[0]?.jwks).toBeTypeOf("function");
    expect(opened.registry.statuses()).toMatchObject([
      { tenantId: "trust", providerId: "idp.test", issuer: "https://idp.test/a", url: server.url },
      { tenantId: "trust", providerId: "idp.test-2", issuer: "https://idp.test/b" },
    ]);
    expect(server.hits).toBe(0);
  });

  it("applies the options of an issuer's key cache", async () => {
    await using opened = await open([]);
    const issuer = trust("https://idp.test", { jwksOptions: { maxTtlMs: -1 } });
    expect(() => registerTrustedIssuers(opened.registry, [issuer], opened.logger)).toThrow("registration.maxTtlMs");
  });

  it("leaves issuers with discovery a key cache of their own, which tells the log and their listener what happens", async () => {
    await using server = await startDiscoveryServer();
    const issuer = await createTestIssuer({ issuer: server.origin });
    server.publish("", "/keys");
    server.answer("/keys", { body: issuer.jwks() });
    await using opened = await open([]);
    const events: JwksEvent[] = [];
    const jwksOptions = { onEvent: (event: JwksEvent) => events.push(event) };
    const more = { audience: issuer.audience, discovery: true, jwksOptions } as const;
    const { jwksUri, ...discovered } = trust(issuer.issuer, more);
    const issuers = registerTrustedIssuers(opened.registry, [discovered, trust("https://idp.test")], opened.logger);
    expect(opened.registry.statuses()).toMatchObject([{ issuer: "https://idp.test" }]);
    await using verifier = createVerifier({ issuers });
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
    const providerId = new URL(server.origin).host.replace(":", "-");
    const lines = opened.log.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 20, type: "discovered", changed: true, tenantId: "trust", providerId },
      { level: 20, type: "refreshed", tenantId: "trust", providerId },
    ]);
    expect(events).toMatchObject([{ type: "discovered", changed: true }, { type: "refreshed" }]);
  });
});

describe("isReadOnlyProvider()", () => {
  it.each([
    ["latchkey", "PUT", true],
    ["latchkey", "DELETE", true],
    ["trust", "PUT", false],
    ["trust", "DELETE", true],
    ["acme", "PUT", false],
    ["acme", "DELETE", false],
  ] as const)("says of %s and %s: %s", (tenantId, method, expected) => {
    expect(isReadOnlyProvider(tenantId, "own", method)).toBe(expected);
  });
});
