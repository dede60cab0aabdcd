import { describe, expect, it } from "vitest";
import { type ServerOptions, toServerSettings } from "../../../src/app/server/server-options.js";
import type { TrustedIssuer } from "../../../src/verify/trusted-issuer.js";
import { silentLog } from "../../support/running-server.js";

const settingsOf = (options: Partial<ServerOptions>) => toServerSettings({ log: silentLog(), ...options });

const IDP: TrustedIssuer = {
  issuer: "https://idp.example",
  audience: "latchkey",
  algorithms: ["ES256"],
  jwksUri: "https://idp.example/jwks.json",
};

const REDIS_URL = "redis://127.0.0.1:6379";
const SECRET = "x".repeat(32);

describe("toServerSettings()", () => {
  it("fills in the defaults", () => {
    expect(settingsOf({ dataDir: "/srv/data" })).toMatchObject({
      storage: { dataDir: "/srv/data" },
      keysDir: "/srv/data/keys",
      host: "127.0.0.1",
      port: 8_090,
      audience: "latchkey",
      jwksMaxAgeSeconds: 300,
      jwksMinTtlSeconds: 30,
      keyGraceSeconds: 600,
      tokenLifetimeSeconds: 3_600,
      streamRecheckSeconds: 30,
      closeGraceMs: 5_000,
    });
  });

  it("derives the grace of new keys from how long verifiers may keep the key set", () => {
    expect(settingsOf({ dataDir: "d", jwksMaxAgeSeconds: 10 }).keyGraceSeconds).toBe(60);
    expect(settingsOf({ dataDir: "d", jwksMaxAgeSeconds: 1_000 }).keyGraceSeconds).toBe(2_000);
  });

  it("takes any loopback address without TLS, and any address with it", () => {
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1"]) settingsOf({ dataDir: "d", host });
    settingsOf({ dataDir: "d", host: "0.0.0.0", tls: { cert: "", key: "" } });
  });

  it.each<readonly [string, Partial<ServerOptions>]>([
    ["either a data directory or a database URL", {}],
    ["either a data directory or a database URL", { dataDir: "d", databaseUrl: "postgres://x" }],
    ["--keys-dir", { databaseUrl: "postgres://x" }],
    ["only a loopback address", { dataDir: "d", host: "0.0.0.0" }],
    ["only a loopback address", { dataDir: "d", host: "::" }],
    ["only a loopback address", { dataDir: "d", host: "127.0.0.1.evil.example" }],
    ["must not be shorter", { dataDir: "d", keyGraceSeconds: 299 }],
    ["must not be shorter", { dataDir: "d", jwksMaxAgeSeconds: 1, jwksMinTtlSeconds: 60, keyGraceSeconds: 59 }],
    ["algorithms", { dataDir: "d", trustedIssuers: [{ ...IDP, algorithms: [] }] }],
    ["jwksUri", { dataDir: "d", trustedIssuers: [{ ...IDP, jwksUri: "http://idp.example/jwks.json" }] }],
    ["the one of credentials", { dataDir: "d", trustedIssuers: [{ ...IDP, issuer: "latchkey-cli" }] }],
    ["redis:// or rediss://", { dataDir: "d", snapshots: { redisUrl: "http://127.0.0.1", secrets: [SECRET] } }],
    ["redis:// or rediss://", { dataDir: "d", snapshots: { redisUrl: "127.0.0.1:6379", secrets: [SECRET] } }],
    ["at least 32 bytes", { dataDir: "d", snapshots: { redisUrl: REDIS_URL, secrets: [] } }],
    ["at least 32 bytes", { dataDir: "d", snapshots: { redisUrl: REDIS_URL, secrets: [SECRET, "x".repeat(31)] } }],
  ])("I6: refuses what cannot work or is not safe: %s", (message, options) => {
    expect(() => settingsOf(options)).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringContaining(message) }),
    );
  });

  it("takes Redis over TLS or not, and shows nothing of a URL it refuses", () => {
    for (const redisUrl of [REDIS_URL, "rediss://user:password@redis.example:6380/1"]) {
      const snapshots = { redisUrl, secrets: [SECRET] };
      expect(settingsOf({ dataDir: "d", snapshots }).snapshots).toEqual(snapshots);
    }
    const snapshots = { redisUrl: "redis//user:hidden@redis.example", secrets: [SECRET] };
    expect(() => settingsOf({ dataDir: "d", snapshots })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hidden") }),
    );
  });

  it.each(["jwksMaxAgeSeconds", "jwksMinTtlSeconds", "tokenLifetimeSeconds", "streamRecheckSeconds", "closeGraceMs"])(
    "I6: refuses a %s that is not positive and finite, naming it",
    (field) => {
      for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => settingsOf({ dataDir: "d", [field]: value })).toThrow(field);
      }
    },
  );
});
