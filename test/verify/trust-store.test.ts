import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { systemClock } from "../../src/lib/clock.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createTrustStore, type TrustStore } from "../../src/verify/trust-store.js";
import type { TrustedIssuer } from "../../src/verify/trusted-issuer.js";
import { createVerifier } from "../../src/verify/verifier.js";
import { forge } from "../support/forge.js";
import { startJwksServer } from "../support/jwks-server.js";

const UNTRUSTED = { name: "TokenRejectedError", code: "ERR_TOKEN_ISSUER" };
const context = { allowLoopbackHttp: true, maxPending: 10, telemetry: noTelemetry, clock: systemClock };

describe("createTrustStore()", () => {
  let issuer: TestIssuer;
  beforeEach(async () => {
    issuer = await createTestIssuer();
  });

  const trust = (changes: object = {}): TrustedIssuer => ({
    issuer: issuer.issuer,
    audience: issuer.audience,
    algorithms: ["ES256"],
    keys: issuer.jwks(),
    ...changes,
  });
  const create = (...issuers: readonly TrustedIssuer[]): TrustStore => createTrustStore(issuers, context);

  it("lets go of the issuers before one that cannot be used", () => {
    let listening = 0;
    const jwks = createJwks("https://idp.test/jwks.json");
    const onChange: typeof jwks.onChange = (listener) => {
      const subscription = jwks.onChange(listener);
      listening++;
      return {
        [Symbol.dispose]() {
          subscription[Symbol.dispose]();
          listening--;
        },
      };
    };
    const watched = Object.assign((...query: Parameters<typeof jwks>) => jwks(...query), jwks, { onChange });
    const { keys: _, ...rest } = trust();
    expect(() => create({ ...rest, jwks: watched }, trust({ issuer: "" }))).toThrow(/issuers\[1\]/);
    expect(listening).toBe(0);
    create({ ...rest, jwks: watched });
    expect(listening).toBe(1);
  });

  it("E2: finds an issuer by its exact name alone", () => {
    const store = create(trust(), trust({ issuer: `${issuer.issuer}/` }));
    const { issuer: name } = issuer;
    expect(store.get(name)?.settings.issuer).toBe(name);
    expect(store.require({ iss: `${name}/` })).not.toBe(store.require({ iss: name }));
    for (const iss of [name.toUpperCase(), `${name}//`, ` ${name}`, `${name}\0`, name.slice(0, -1), "", "__proto__"]) {
      expect(() => store.require({ iss })).toThrow(expect.objectContaining(UNTRUSTED));
    }
  });

  it("E3: takes no list, object or number for a name", () => {
    const store = create(trust());
    const { issuer: name } = issuer;
    for (const iss of [undefined, null, 7, [name], [[name]], { toString: () => name }, { [name]: true }]) {
      expect(() => store.require({ iss })).toThrow(expect.objectContaining(UNTRUSTED));
    }
    // A name that only the prototype has is no claim of the token.
    expect(() => store.require(Object.create({ iss: name }) as Record<string, unknown>)).toThrow("not trusted");
  });

  it("E5: shares nothing between issuers", () => {
    const store = create(trust(), trust({ issuer: "https://other.test" }));
    const [one, other] = [store.require({ iss: issuer.issuer }), store.require({ iss: "https://other.test" })];
    expect(one.source).not.toBe(other.source);
    expect(one.flights).not.toBe(other.flights);
  });

  it.each([
    ["issuer", /https:\/\/issuer\.test/],
    ["audience", /service/g],
    ["audience", ["https://service.test", /service/]],
    ["algorithms", /ES256/],
    ["algorithms", ["ES256", /ES(256|384)/]],
    ["tokenType", /at\+jwt/i],
    ["requiredClaims", [/tenant/]],
    ["claims", { org: /org/ }],
    ["claims", { roles: { [Symbol.match]: () => ["roles"], toString: () => "roles" } }],
  ])("E4: refuses a pattern in place of a text in %s (%#)", (field, value) => {
    expect(() => create(trust({ [field]: value }))).toThrow(new RegExp(`^issuers\\[0\\]\\.${field}\\S* must be `));
  });

  it("E4: takes the characters of patterns in a text for themselves", async () => {
    await using verifier = createVerifier({ issuers: [trust({ issuer: "https://.*", audience: ".*" })] });
    for (const claims of [{}, { iss: "https://.*" }, { aud: ".*" }]) {
      await expect(verifier.verify(await issuer.mint({ claims }))).rejects.toMatchObject({
        name: "TokenRejectedError",
      });
    }
    const exact = await issuer.mint({ claims: { iss: "https://.*", aud: ".*" } });
    await expect(verifier.verify(exact)).resolves.toMatchObject({ issuer: "https://.*" });
  });

  it("ends every source, those made for a URL with them", async () => {
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    const store = create(trust(), trust({ issuer: "https://other.test", keys: undefined, jwksUri: server.url }));
    const { source } = store.require({ iss: "https://other.test" });
    await source.getKey(issuer.kid, "ES256");
    store[Symbol.dispose]();
    await expect(source.getKey(issuer.kid, "ES256")).rejects.toMatchObject({ code: "ERR_KEYS_UNAVAILABLE" });
  });
});

describe("an attacker's token", () => {
  let bait: Server;
  let connections: number;
  let url: string;
  beforeEach(async () => {
    connections = 0;
    bait = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => bait.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(bait.address() as { readonly port: number }).port}`;
  });
  afterEach(() => new Promise((resolve) => bait.close(resolve)));

  it("E7: opens no connection by its issuer, whatever that is", async () => {
    const issuer = await createTestIssuer();
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    await using verifier = createVerifier({
      issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], jwksUri: server.url }],
      allowLoopbackHttp: true,
    });
    const host = new URL(url).host;
    for (const iss of [
      url,
      `${url}/`,
      `${issuer.issuer}@${host}`,
      `//${host}`,
      new URL(server.url).origin,
      server.url,
    ]) {
      const token = await issuer.mint({ claims: { iss }, header: { jku: url, x5u: url } });
      await expect(verifier.verify(token)).rejects.toMatchObject(UNTRUSTED);
    }
    expect([connections, server.hits]).toEqual([0, 0]);
  });

  it("E7: leads a request to no other place than the configured one by its kid", async () => {
    const issuer = await createTestIssuer();
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    using jwks = createJwks(server.url, { allowLoopbackHttp: true });
    await using verifier = createVerifier({
      issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], jwks }],
    });
    for (const kid of [url, `../${url}`, "../../etc/passwd", "?kid=1", "#", "@127.0.0.1", "%2e%2e%2f"]) {
      await expect(verifier.verify(await issuer.mint({ header: { kid } }))).rejects.toMatchObject({
        code: "ERR_KEY_NOT_FOUND",
      });
    }
    expect(connections).toBe(0);
    expect(new Set(server.requests.map((request) => request.url))).toEqual(new Set(["/jwks.json"]));
  });

  it("E7: causes no request when it names no issuer at all", async () => {
    const issuer = await createTestIssuer();
    await using server = await startJwksServer();
    await using verifier = createVerifier({
      issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], jwksUri: server.url }],
      allowLoopbackHttp: true,
    });
    const header = { alg: "ES256", kid: issuer.kid, typ: "at+jwt" };
    for (const payload of [{}, { iss: [issuer.issuer] }, { iss: { url } }, { issuer: issuer.issuer }]) {
      const token = forge(header, payload, new Uint8Array(64));
      await expect(verifier.verify(token)).rejects.toMatchObject(UNTRUSTED);
    }
    expect([connections, server.hits]).toEqual([0, 0]);
  });
});
