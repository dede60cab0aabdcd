import { beforeEach, describe, expect, it } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type KeySourceContext, openKeySource } from "../../src/verify/open-key-source.js";
import type { TrustedIssuer, TrustedKey } from "../../src/verify/trusted-issuer.js";
import { startDiscoveryServer } from "../support/discovery-server.js";
import { startJwksServer } from "../support/jwks-server.js";

const FIELD = "issuers[3]";
const findNothing = async (): Promise<undefined> => undefined;

describe("openKeySource()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let context: KeySourceContext;
  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    context = { allowLoopbackHttp: true, maxPending: 10, telemetry: noTelemetry, clock };
  });

  const trusted = (changes: Partial<TrustedIssuer>): TrustedIssuer => ({
    issuer: issuer.issuer,
    audience: issuer.audience,
    algorithms: ["ES256"],
    ...changes,
  });

  it("fetches nothing when it opens, and gives the keys of each kind of source", async () => {
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    const [jwk] = issuer.jwks().keys;
    if (jwk === undefined) throw new Error("the issuer has no key");
    using jwks = createJwks(server.url, { allowLoopbackHttp: true, clock });
    let asked = 0;
    const findKey = async (): Promise<TrustedKey> => {
      asked++;
      return { key: jwk };
    };
    await using metadata = await startDiscoveryServer();
    metadata.answer("/.well-known/openid-configuration", { body: { issuer: metadata.origin, jwks_uri: server.url } });
    const discovered = { issuer: metadata.origin, discovery: true } as const;
    const sources = [{ jwksUri: server.url }, discovered, { jwks }, { keys: issuer.jwks() }, { findKey }].map(
      (changes) => openKeySource(trusted(changes), context, FIELD),
    );
    expect([server.hits, metadata.paths.length, asked]).toEqual([0, 0, 0]);
    for (const source of sources) {
      expect((await source.getKey(issuer.kid, "ES256")).key.type).toBe("public");
      source[Symbol.dispose]();
    }
    expect([server.hits, metadata.paths.length, asked]).toEqual([3, 1, 1]);
    expect(clock.pendingTimers).toBe(1);
  });

  it.each([
    [{}, "issuers[3] must have exactly one of jwksUri, discovery, jwks, keys, findKey"],
    [{ jwksUri: "https://a.test/", discovery: true }, "must have exactly one of"],
    [{ discovery: false }, "issuers[3].discovery must be true, or left out"],
    [{ discovery: true, issuer: "latchkey-cli" }, "issuers[3].issuer must be an absolute URL"],
    [{ discovery: true, issuer: "https://a.test/?b" }, "issuers[3].issuer must not contain a query or fragment"],
    [
      { discovery: true, jwksOptions: { allowedDomains: ["b.test"] } },
      "issuers[3].issuer must be of an allowed domain",
    ],
    [{ discovery: true, jwksOptions: { retries: 0.5 } }, "issuers[3].jwksOptions.retries must be an integer"],
    [{ findKey: findNothing, jwksOptions: {} }, "issuers[3].jwksOptions has no effect without jwksUri or discovery"],
    [{ jwksUri: "https://a.test/", findKey: findNothing }, "must have exactly one of"],
    [{ jwksUri: /a\.test/ }, "issuers[3].jwksUri must be a string or URL, got object"],
    [{ keys: /a/ }, "issuers[3].keys.keys must be an array, got undefined"],
    [{ findKey: /kid-\d+/ }, "issuers[3].findKey must be a function, got object"],
    [{ jwks: "https://a.test/" }, "issuers[3].jwks must be what createJwks() gives, got string"],
    [{ jwksUri: "https://user@a.test/" }, "issuers[3].jwksUri must not contain a user name"],
    [
      { jwksUri: "https://a.test/", jwksOptions: { retries: 0.5 } },
      "issuers[3].jwksOptions.retries must be an integer",
    ],
    [{ findKey: findNothing, findKeyMaxAgeMs: Number.NaN }, "issuers[3].findKeyMaxAgeMs must be finite"],
  ])("I6: names the field that cannot be used (%#)", (changes, message) => {
    expect(() => openKeySource(trusted(changes as Partial<TrustedIssuer>), context, FIELD)).toThrow(message);
  });

  it("I5: takes loopback http from the verifier's option, or from the issuer's own", () => {
    const jwksUri = "http://127.0.0.1:1/jwks.json";
    const strict = { ...context, allowLoopbackHttp: false };
    expect(() => openKeySource(trusted({ jwksUri }), strict, FIELD)).toThrow(
      "issuers[3].jwksUri must be an https: URL",
    );
    const jwksOptions = { allowLoopbackHttp: true };
    openKeySource(trusted({ jwksUri, jwksOptions }), strict, FIELD)[Symbol.dispose]();
    const elsewhere = trusted({ jwksUri: "http://issuer.test/jwks.json", jwksOptions });
    expect(() => openKeySource(elsewhere, context, FIELD)).toThrow("issuers[3].jwksUri must be an https: URL");
    const here = trusted({ issuer: "http://127.0.0.1:1", discovery: true });
    expect(() => openKeySource(here, strict, FIELD)).toThrow("issuers[3].issuer must be an https: URL");
    openKeySource({ ...here, jwksOptions }, strict, FIELD)[Symbol.dispose]();
  });

  it("ends the cache it made, and leaves alone one that was given", async () => {
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    using jwks = createJwks(server.url, { allowLoopbackHttp: true, clock });
    const given = openKeySource(trusted({ jwks }), context, FIELD);
    await given.getKey(issuer.kid, "ES256");
    given[Symbol.dispose]();
    await expect(jwks.getKey({ kid: issuer.kid, alg: "ES256" })).resolves.toBeDefined();
    const own = openKeySource(trusted({ jwksUri: server.url }), context, FIELD);
    await own.getKey(issuer.kid, "ES256");
    own[Symbol.dispose]();
    await expect(own.getKey(issuer.kid, "ES256")).rejects.toMatchObject({ code: "ERR_KEYS_UNAVAILABLE" });
  });

  it("asks a look-up again after five seconds unless told otherwise", async () => {
    let asked = 0;
    const findKey = async (): Promise<undefined> => void asked++;
    const source = openKeySource(trusted({ findKey }), context, FIELD);
    const miss = (): Promise<unknown> => source.getKey("k", "ES256").catch(() => {});
    await miss();
    await clock.advance(4_999);
    await miss();
    expect(asked).toBe(1);
    await clock.advance(1);
    await miss();
    expect(asked).toBe(2);
  });
});
