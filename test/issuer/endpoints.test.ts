import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { createIssuerEndpoints, type IssuerEndpointsOptions } from "../../src/issuer/endpoints.js";
import { createTokenIssuer } from "../../src/issuer/token-issuer.js";
import { createKeyRing, type KeyRing } from "../../src/keys/key-ring.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";
import { faultyKeyStore } from "../support/key-stores.js";

const JWKS_URL = "https://idp.example/.well-known/jwks.json";
const METADATA_URL = "https://idp.example/.well-known/oauth-authorization-server";

function ringWithGrace(gracePeriodMs = 600_000): KeyRing {
  return createKeyRing({ store: memoryKeyStore(), gracePeriodMs, maxTokenLifetimeMs: 3_600_000 });
}

function endpoints(options: Partial<IssuerEndpointsOptions> = {}) {
  return createIssuerEndpoints({ issuer: "https://idp.example", keyRing: ringWithGrace(), ...options });
}

const get = (url: string, headers: Record<string, string> = {}, method = "GET"): Request =>
  new Request(url, { method, headers });

describe("createIssuerEndpoints()", () => {
  it("publishes the keys of the ring, and nothing private", async () => {
    const keyRing = ringWithGrace();
    await keyRing.rotate();
    const response = await endpoints({ keyRing })(get(JWKS_URL));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    const text = await response.text();
    expect(response.headers.get("content-length")).toBe(String(text.length));
    expect(JSON.parse(text)).toEqual({ keys: await keyRing.publicKeys() });
    for (const key of JSON.parse(text).keys) {
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
  });

  it("names the issuer and its key set in the metadata", async () => {
    const response = await endpoints()(get(METADATA_URL));
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    expect(await response.json()).toEqual({
      issuer: "https://idp.example",
      jwks_uri: JWKS_URL,
      response_types_supported: [],
      grant_types_supported: [],
    });
  });

  it("puts the well-known part before the path of the issuer", async () => {
    const handle = endpoints({ issuer: "https://idp.example/tenant/", jwksPath: "/tenant/keys" });
    expect(await (await handle(get(`${METADATA_URL}/tenant`))).json()).toMatchObject({
      issuer: "https://idp.example/tenant/",
      jwks_uri: "https://idp.example/tenant/keys",
    });
    expect((await handle(get("https://idp.example/tenant/keys"))).status).toBe(200);
    expect((await handle(get(METADATA_URL))).status).toBe(404);
  });

  it("answers 304 to who has the present version, until the keys change", async () => {
    const keyRing = ringWithGrace();
    const handle = endpoints({ keyRing });
    const etag = (await handle(get(JWKS_URL))).headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[A-Za-z0-9_-]{43}"$/);
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*", ` ${etag} ,"x,y"`]) {
      const response = await handle(get(JWKS_URL, { "if-none-match": tags }));
      expect([response.status, response.body, response.headers.get("etag")]).toEqual([304, null, etag]);
      expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    }
    for (const tags of ['"other"', etag.slice(1, -1), `"${etag}`, ""]) {
      expect((await handle(get(JWKS_URL, { "if-none-match": tags }))).status).toBe(200);
    }
    await keyRing.rotate();
    const changed = await handle(get(JWKS_URL, { "if-none-match": etag }));
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(etag);
  });

  it("answers HEAD as GET without the body", async () => {
    const handle = endpoints();
    const [whole, head] = [await handle(get(JWKS_URL)), await handle(get(JWKS_URL, {}, "HEAD"))];
    expect([...head.headers]).toEqual([...whole.headers]);
    expect([head.status, head.body]).toEqual([200, null]);
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("answers 405 to %s", async (method) => {
    const response = await endpoints()(get(JWKS_URL, {}, method));
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it.each(["/", "/.well-known/jwks.json/", "/.well-known/JWKS.json", "/.well-known%2fjwks.json", "/constructor"])(
    "answers 404 to %s",
    async (path) => {
      expect((await endpoints()(get(`https://idp.example${path}`))).status).toBe(404);
    },
  );

  it("holds caches no longer than the grace period", async () => {
    const handle = endpoints({ keyRing: ringWithGrace(2_500) });
    expect((await handle(get(JWKS_URL))).headers.get("cache-control")).toBe("public, max-age=2");
    expect(() => endpoints({ keyRing: ringWithGrace(2_500), maxAgeSeconds: 3 })).toThrow("maxAgeSeconds");
    const uncached = await endpoints({ maxAgeSeconds: 0 })(get(JWKS_URL));
    expect(uncached.headers.get("cache-control")).toBe("public, max-age=0");
  });

  it("rejects when there are no keys to publish, and answers no empty set", async () => {
    const store = faultyKeyStore();
    const broken = new Error("broken");
    store.fault = () => Promise.reject(broken);
    const keyRing = createKeyRing({ store, gracePeriodMs: 600_000, maxTokenLifetimeMs: 1_000 });
    await expect(endpoints({ keyRing })(get(JWKS_URL))).rejects.toBe(broken);
  });

  it("serves verifiers over HTTP", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const keyRing = ringWithGrace();
    server.on("request", getRequestListener(endpoints({ issuer, keyRing })));

    const { jwks_uri } = (await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()) as {
      jwks_uri: string;
    };
    const token = await createTokenIssuer({ issuer, audience: "jobs", keyRing }).issue({ subject: "alice" });
    const { payload } = await jwtVerify(token.value, createRemoteJWKSet(new URL(jwks_uri)), {
      issuer,
      audience: "jobs",
    });
    expect(payload.sub).toBe("alice");
  });

  it.each<[string, Partial<Record<keyof IssuerEndpointsOptions, unknown>>]>([
    ["issuer", { issuer: "latchkey" }],
    ["issuer", { issuer: "" }],
    ["issuer", { issuer: "https://idp.example?x=1" }],
    ["issuer", { issuer: "https://idp.example#x" }],
    ["issuer", { issuer: "https://user:secret@idp.example" }],
    ["issuer", { issuer: "file:///idp" }],
    ["keyRing", { keyRing: undefined }],
    ["jwksPath", { jwksPath: "jwks.json" }],
    ["jwksPath", { jwksPath: "//evil.example/jwks.json" }],
    ["jwksPath", { jwksPath: "/jwks.json?x=1" }],
    ["jwksPath", { jwksPath: "/a/../jwks.json" }],
    ["jwksPath", { jwksPath: "/.well-known/oauth-authorization-server" }],
    ["maxAgeSeconds", { maxAgeSeconds: -1 }],
    ["maxAgeSeconds", { maxAgeSeconds: 1.5 }],
    ["maxAgeSeconds", { maxAgeSeconds: 601 }],
  ])("I6: refuses a bad %s at construction", (field, bad) => {
    expect(() => endpoints(bad as Partial<IssuerEndpointsOptions>)).toThrow(field);
  });
});
