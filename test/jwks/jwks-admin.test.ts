import { describe, expect, it } from "vitest";
import { AccessDeniedError, KeysUnavailableError, TokenRejectedError } from "../../src/errors.js";
import { createJwksAdmin, type JwksAdminOptions } from "../../src/jwks/jwks-admin.js";
import { createJwksRegistry } from "../../src/jwks/jwks-registry.js";
import { pinnedFetch } from "../../src/jwks/node-pinned-fetch.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { type AdminFixture, openAdmin } from "../support/jwks-admin.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const URL_OF_KEYS = "https://idp.example/jwks.json";
const PATHS = ["/providers", "/providers/acme/idp", "/providers/acme/idp/refresh", "/", "/providers/%zz/x", "/nothing"];
const METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"];

async function startIssuer(): Promise<JwksServer> {
  const issuer = await createTestIssuer();
  return startJwksServer({ body: issuer.jwks() });
}

/** A body that never ends, and tells when it is waited for. */
function createEndlessBody() {
  const read = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"url":')),
    pull: () => {
      read.resolve();
      return new Promise(() => {});
    },
  });
  return { body, read: read.promise };
}

describe("createJwksAdmin()", () => {
  it("registers, shows, replaces and ends a provider", async () => {
    await using admin = openAdmin();
    const created = await admin.ask("PUT", "/providers/acme/idp", {
      body: { url: URL_OF_KEYS, issuer: "https://idp" },
    });
    expect([created.status, created.body]).toEqual([
      201,
      expect.objectContaining({ tenantId: "acme", providerId: "idp", url: URL_OF_KEYS, issuer: "https://idp" }),
    ]);
    expect((await admin.ask("GET", "/providers/acme/idp")).body).toEqual(created.body);
    const replaced = await admin.ask("PUT", "/providers/acme/idp", { body: { url: "https://other.example/keys" } });
    expect([replaced.status, replaced.body]).toEqual([
      200,
      expect.objectContaining({ url: "https://other.example/keys", issuer: null }),
    ]);
    const ended = await admin.ask("DELETE", "/providers/acme/idp");
    expect([ended.status, ended.text]).toEqual([204, ""]);
    expect((await admin.ask("GET", "/providers/acme/idp")).status).toBe(404);
    expect((await admin.ask("DELETE", "/providers/acme/idp")).status).toBe(404);
    expect(admin.registry.statuses()).toEqual([]);
  });

  it("applies every option that a body sets", async () => {
    await using server = await startIssuer();
    await using admin = openAdmin();
    await admin.ask("PUT", "/providers/acme/idp", { body: { url: server.url, maxTtlMs: 1_000, minTtlMs: 1_000 } });
    const { body } = await admin.ask("POST", "/providers/acme/idp/refresh");
    expect(body.expiresAtMs - body.fetchedAtMs).toBe(1_000);
  });

  it("lists all providers in the order of registration, or those of one tenant, a thousand in one answer", async () => {
    await using admin = openAdmin();
    for (let index = 0; index < 1_000; index++) {
      admin.registry.register({ tenantId: `t${index % 2}`, providerId: `p${index}`, url: URL_OF_KEYS });
    }
    const list = async (query: string): Promise<string[]> => {
      const { body } = await admin.ask("GET", `/providers${query}`);
      return body.providers.map(({ providerId }: { readonly providerId: string }) => providerId);
    };
    const all = await list("");
    expect([all.length, all[0], all.at(-1)]).toEqual([1_000, "p0", "p999"]);
    const odd = await list("?tenant=t1");
    expect([odd.length, odd[0]]).toEqual([500, "p1"]);
    expect(await list("?tenant=nobody")).toEqual([]);
    expect(await list("?tenant=")).toEqual([]);
  });

  it.each(["?tennant=a", "?tenant=a&tenant=b", "?tenant=a&x=1", "?x"])("refuses the query %s", async (query) => {
    await using admin = openAdmin();
    const { status, body } = await admin.ask("GET", `/providers${query}`);
    expect([status, body.error]).toMatchObject([400, { code: "ERR_FIELD_INVALID", field: "tenant" }]);
  });

  it("refreshes a provider and tells how it is doing, kids and no key", async () => {
    const issuer = await createTestIssuer();
    await using server = await startJwksServer({ body: issuer.jwks() });
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: `${server.url}?api_key=hidden` });
    const empty = await admin.ask("GET", "/providers/acme/idp");
    expect(empty.body).toMatchObject({ state: "empty", kids: [], ageMs: null, lastFailure: null, usable: false });
    const { status, body, text } = await admin.ask("POST", "/providers/acme/idp/refresh");
    const [key] = issuer.jwks().keys;
    expect([status, body]).toMatchObject([200, { state: "ready", kids: [key?.kid], usable: true, url: server.url }]);
    expect(text).not.toContain(key?.x);
    expect(text).not.toContain("hidden");
    await admin.ask("POST", "/providers/acme/idp/refresh");
    expect(server.hits).toBe(2);
  });

  it.each([
    [{ status: 500 }, 503, "ERR_KEYS_UNAVAILABLE"],
    [{ reset: true }, 503, "ERR_KEYS_UNAVAILABLE"],
    [{ status: 404 }, 502, "ERR_KEYS_INVALID"],
    [{ body: "<html>" }, 502, "ERR_KEYS_INVALID"],
    [{ body: { keys: [] } }, 502, "ERR_KEYS_INVALID"],
  ])("says why a refresh failed: %j is %i %s", async (answer, status, code) => {
    await using server = await startJwksServer(answer);
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: `${server.url}?api_key=hidden` });
    const refused = await admin.ask("POST", "/providers/acme/idp/refresh");
    expect([refused.status, refused.body.error.code]).toEqual([status, code]);
    expect(refused.text).not.toMatch(/hidden|127\.0\.0\.1|html/);
    expect((await admin.ask("GET", "/providers/acme/idp")).body).toMatchObject({ lastFailure: code });
  });

  it("says how long an issuer asks to wait", async () => {
    await using server = await startJwksServer({ status: 503, headers: { "retry-after": "120" } });
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: server.url });
    const { status, headers } = await admin.ask("POST", "/providers/acme/idp/refresh");
    expect([status, headers.get("retry-after")]).toEqual([503, "120"]);
  });

  it("answers HEAD as GET, without the body", async () => {
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: URL_OF_KEYS });
    for (const path of ["/providers", "/providers/acme/idp", "/providers/acme/none", "/providers?x", "/none"]) {
      const [whole, head] = [await admin.ask("GET", path), await admin.ask("HEAD", path)];
      expect([head.status, head.text]).toEqual([whole.status, ""]);
      expect([...head.headers]).toEqual([...whole.headers]);
      expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(whole.text)));
    }
  });

  it("answers other methods with 405 and what there is", async () => {
    await using admin = openAdmin();
    const allowed = new Map([
      ["/providers", "GET, HEAD"],
      ["/providers/acme/none", "GET, HEAD, PUT, DELETE"],
      ["/providers/acme/none/refresh", "POST"],
    ]);
    for (const [path, allow] of allowed) {
      for (const method of METHODS) {
        if (allow.includes(method)) continue;
        const { status, headers } = await admin.ask(method, path);
        expect([path, method, status, headers.get("allow")]).toEqual([path, method, 405, allow]);
      }
    }
  });

  it("is mounted where it is told", async () => {
    await using admin = openAdmin({ basePath: "/admin/jwks" });
    expect((await admin.ask("GET", "/admin/jwks/providers")).status).toBe(200);
    for (const path of ["/providers", "/admin/jwks", "/admin/jwksproviders", "/x/admin/jwks/providers"]) {
      expect((await admin.ask("GET", path)).status, path).toBe(404);
    }
  });

  it("answers all that it is asked with no-store", async () => {
    await using admin = openAdmin();
    for (const path of PATHS) {
      for (const method of METHODS) {
        expect((await admin.ask(method, path)).headers.get("cache-control")).toBe("no-store");
      }
    }
  });
});

describe("createJwksAdmin() with authorize", () => {
  it("F6: asks it before it looks at anything else, once, with the body unread", async () => {
    const seen: unknown[] = [];
    await using admin = openAdmin({
      async authorize(request) {
        seen.push([request.method, new URL(request.url).pathname, request.bodyUsed]);
        throw new TokenRejectedError("ERR_CREDENTIALS_MISSING", "none");
      },
    });
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: URL_OF_KEYS });
    const asked: unknown[] = [];
    for (const path of PATHS) {
      for (const method of METHODS) {
        const body = method === "PUT" ? { body: "not JSON", headers: { "content-type": "text/plain" } } : {};
        expect((await admin.ask(method, path, body)).status).toBe(401);
        asked.push([method, path, false]);
      }
    }
    expect(seen).toEqual(asked);
    expect(admin.registry.status("acme", "idp")).toMatchObject({ url: URL_OF_KEYS, state: "empty" });
  });

  it.each<readonly [Error, number, string, string | null]>([
    [
      new TokenRejectedError("ERR_CREDENTIALS_MISSING", "secret"),
      401,
      "ERR_UNAUTHENTICATED",
      'Bearer realm="latchkey"',
    ],
    [
      new TokenRejectedError("ERR_TOKEN_EXPIRED", "secret"),
      401,
      "ERR_UNAUTHENTICATED",
      'Bearer realm="latchkey", error="invalid_token"',
    ],
    [
      new AccessDeniedError("ERR_ROLE_MISSING", "secret"),
      403,
      "ERR_ACCESS_DENIED",
      'Bearer realm="latchkey", error="insufficient_scope"',
    ],
    [new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "secret", { retryAfterMs: 1_500 }), 503, "ERR_UNAVAILABLE", null],
    [new TypeError("registration.url is secret"), 500, "ERR_INTERNAL", null],
  ])("answers %s with %i %s and says no more", async (error, status, code, challenge) => {
    const told: unknown[] = [];
    await using admin = openAdmin({
      authorize: () => Promise.reject(error),
      onError: (failure) => void told.push(failure),
    });
    const answer = await admin.ask("GET", "/providers");
    expect([answer.status, answer.body.error.code, answer.headers.get("www-authenticate")]).toEqual([
      status,
      code,
      challenge,
    ]);
    expect(answer.headers.get("retry-after")).toBe(status === 503 ? "2" : null);
    expect(answer.text).not.toContain("secret");
    expect(told).toEqual(status === 500 ? [error] : []);
  });

  it("lets nobody in when it throws at once, answers anything, or takes the body itself", async () => {
    const authorizes: readonly unknown[] = [
      () => {
        throw new Error("at once");
      },
      async () => false,
      async () => true,
      async () => null,
      async (request: Request) => void (await request.text()),
    ];
    for (const authorize of authorizes) {
      await using admin = openAdmin({ authorize: authorize as JwksAdminOptions["authorize"] });
      const { status } = await admin.ask("PUT", "/providers/acme/idp", { body: { url: URL_OF_KEYS } });
      expect([status, admin.registry.statuses()]).toEqual([500, []]);
    }
  });

  it("waits for it no longer than the caller does", async () => {
    const asked = Promise.withResolvers<void>();
    await using admin = openAdmin({
      authorize() {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const caller = new AbortController();
    const answer = admin.ask("DELETE", "/providers/acme/idp", { signal: caller.signal });
    await asked.promise;
    caller.abort();
    expect((await answer).body.error.code).toBe("ERR_UNAVAILABLE");
  });

  it("survives whoever is told of failures", async () => {
    await using admin = openAdmin({
      authorize: () => Promise.reject(new Error("broken")),
      onError() {
        throw new Error("broken too");
      },
    });
    expect((await admin.ask("GET", "/providers")).status).toBe(500);
  });

  it("survives whoever is told of failures and fails later", async () => {
    // A rejection that nobody handles is reported by the runner, and fails the run.
    await using admin = openAdmin({
      authorize: () => Promise.reject(new Error("broken")),
      onError: async () => {
        throw new Error("broken later");
      },
    });
    expect((await admin.ask("GET", "/providers")).status).toBe(500);
  });

  it("answers 500 whatever it throws that is no refusal, an error or not", async () => {
    for (const thrown of [undefined, null, "401", Symbol("no"), { status: 200 }, Object.create(null), new Response()]) {
      const told: unknown[] = [];
      await using admin = openAdmin({
        authorize: () => Promise.reject(thrown),
        onError: (error) => void told.push(error),
      });
      const { status, body } = await admin.ask("GET", "/providers");
      expect([status, body.error.code, told]).toEqual([500, "ERR_INTERNAL", [thrown]]);
    }
  });
});

describe("createJwksAdmin() with changes", () => {
  it.each<readonly [unknown, string]>([
    [{}, "url"],
    [{ url: 7 }, "url"],
    [{ url: "jwks.json" }, "url"],
    [{ url: "http://idp.example/jwks.json" }, "url"],
    [{ url: "https://user:hidden@idp.example/" }, "url"],
    [{ url: URL_OF_KEYS, maxTtlMs: "1 month" }, "maxTtlMs"],
    [{ url: URL_OF_KEYS, cooldownMs: 0 }, "cooldownMs"],
    [{ url: URL_OF_KEYS, retries: 1.5 }, "retries"],
    [{ url: URL_OF_KEYS, minTtlMs: 2, maxTtlMs: 1 }, "minTtlMs"],
    [{ url: URL_OF_KEYS, retryJitter: "some" }, "retryJitter"],
    [{ url: URL_OF_KEYS, allowedDomains: ["other.example"] }, "url"],
    [{ url: URL_OF_KEYS, allowedDomains: [] }, "allowedDomains"],
    [{ url: URL_OF_KEYS, issuer: null }, "issuer"],
    [{ url: URL_OF_KEYS, allowLoopbackHttp: true }, "allowLoopbackHttp"],
    [{ url: URL_OF_KEYS, fetch: {} }, "fetch"],
    [{ url: URL_OF_KEYS, tenantId: "globex" }, "tenantId"],
  ])("I6: refuses %j by the field, and leaves the registration as it was", async (body, field) => {
    await using admin = openAdmin();
    const fresh = await admin.ask("PUT", "/providers/acme/idp", { body });
    expect([fresh.status, fresh.body.error]).toMatchObject([400, { code: "ERR_FIELD_INVALID", field }]);
    expect(fresh.body.error.message).toContain(field);
    expect(fresh.text).not.toContain("hidden");
    expect(admin.registry.statuses()).toEqual([]);
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: "https://before.example/" });
    expect((await admin.ask("PUT", "/providers/acme/idp", { body })).status).toBe(400);
    expect(admin.registry.status("acme", "idp")?.url).toBe("https://before.example/");
  });

  it("I5: takes http of this machine only where the registry says so for all", async () => {
    const body = { url: "http://127.0.0.1:1/jwks.json" };
    await using open = openAdmin();
    expect((await open.ask("PUT", "/providers/acme/idp", { body })).status).toBe(201);
    await using strict = openAdmin({}, { defaults: { allowLoopbackHttp: false } });
    expect((await strict.ask("PUT", "/providers/acme/idp", { body })).status).toBe(400);
  });

  it("H10: refuses a URL that the registry's fetch never sends to, as any other one", async () => {
    const fetch = pinnedFetch({ refusePrivateAddresses: true });
    await using admin = openAdmin({}, { defaults: { fetch } });
    const { status, body } = await admin.ask("PUT", "/providers/acme/idp", { body: { url: "https://10.0.0.1/" } });
    expect([status, body.error]).toMatchObject([400, { code: "ERR_FIELD_INVALID", field: "url" }]);
    expect(admin.registry.statuses()).toEqual([]);
  });

  it.each([
    ["/providers/a%2Fb/idp", "tenantId"],
    ["/providers/acme/%00", "providerId"],
    ["/providers/acme/%252e%252e", "providerId"],
    [`/providers/acme/${"x".repeat(129)}`, "providerId"],
  ])("refuses names that no provider can have: %s", async (path, field) => {
    await using admin = openAdmin();
    const { status, body } = await admin.ask("PUT", path, { body: { url: URL_OF_KEYS } });
    expect([status, body.error]).toMatchObject([400, { code: "ERR_FIELD_INVALID", field }]);
    expect((await admin.ask("GET", path)).status).toBe(404);
  });

  it("A10: takes names that mean something to the language as any other", async () => {
    await using admin = openAdmin();
    for (const path of ["/providers/__proto__/constructor", "/providers/constructor/__proto__"]) {
      expect((await admin.ask("GET", path)).status).toBe(404);
      expect((await admin.ask("PUT", path, { body: { url: URL_OF_KEYS } })).status).toBe(201);
      expect((await admin.ask("GET", path)).body.url).toBe(URL_OF_KEYS);
      expect((await admin.ask("DELETE", path)).status).toBe(204);
    }
  });

  it("lets the last of two registrations at once win, and tells each what it did", async () => {
    await using admin = openAdmin();
    const put = async (url: string): Promise<number> =>
      (await admin.ask("PUT", "/providers/acme/idp", { body: { url } })).status;
    const statuses = await Promise.all([put("https://one.example/"), put("https://two.example/")]);
    expect(statuses.toSorted()).toEqual([200, 201]);
    expect(admin.registry.status("acme", "idp")?.url).toBe(
      statuses[0] === 200 ? "https://one.example/" : "https://two.example/",
    );
    expect(admin.registry.statuses()).toHaveLength(1);
  });

  it("ends a provider while it is refreshed", async () => {
    const release = Promise.withResolvers<void>();
    await using server = await startJwksServer({ after: release.promise });
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: server.url });
    const refresh = admin.ask("POST", "/providers/acme/idp/refresh");
    await server.reached(1);
    expect((await admin.ask("GET", "/providers/acme/idp")).body.state).toBe("loading");
    expect((await admin.ask("DELETE", "/providers/acme/idp")).status).toBe(204);
    expect((await refresh).status).toBe(404);
    await server.reachedAborts(1);
    release.resolve();
  });

  it("H1: goes on with a refresh whose caller has gone away, for whoever comes next", async () => {
    const issuer = await createTestIssuer();
    const release = Promise.withResolvers<void>();
    await using server = await startJwksServer({ body: issuer.jwks(), after: release.promise });
    await using admin = openAdmin();
    admin.registry.register({ tenantId: "acme", providerId: "idp", url: server.url });
    const caller = new AbortController();
    const refresh = admin.ask("POST", "/providers/acme/idp/refresh", { signal: caller.signal });
    await server.reached(1);
    caller.abort();
    expect((await refresh).body.error.code).toBe("ERR_UNAVAILABLE");
    const keys = admin.registry.resolve("acme", "idp");
    release.resolve();
    expect(await keys).toHaveLength(1);
    expect(server.hits).toBe(1);
  });

  it("changes nothing for a caller who goes away half-way through the body", async () => {
    await using admin = openAdmin();
    const caller = new AbortController();
    const { body, read } = createEndlessBody();
    const put = admin.ask("PUT", "/providers/acme/idp", { body, signal: caller.signal });
    await read;
    caller.abort();
    expect((await put).body.error.code).toBe("ERR_UNAVAILABLE");
    expect(admin.registry.statuses()).toEqual([]);
  });

  it("leaves read-only providers alone", async () => {
    const asked: unknown[] = [];
    await using admin = openAdmin({
      isReadOnly(...names) {
        asked.push(names);
        return names[0] === "own";
      },
    });
    admin.registry.register({ tenantId: "own", providerId: "keys", url: URL_OF_KEYS });
    const body = { url: "https://evil.example/" };
    const refused = await admin.ask("PUT", "/providers/own/keys", { body });
    expect([refused.status, refused.body.error.code]).toEqual([409, "ERR_READ_ONLY"]);
    expect((await admin.ask("DELETE", "/providers/own/keys")).status).toBe(409);
    expect(admin.registry.status("own", "keys")?.url).toBe(URL_OF_KEYS);
    expect((await admin.ask("GET", "/providers/own/keys")).status).toBe(200);
    expect((await admin.ask("PUT", "/providers/acme/idp", { body })).status).toBe(201);
    expect((await admin.ask("DELETE", "/providers/acme/idp")).status).toBe(204);
    expect(asked).toEqual([
      ["own", "keys", "PUT"],
      ["own", "keys", "DELETE"],
      ["acme", "idp", "PUT"],
      ["acme", "idp", "DELETE"],
    ]);
  });

  it("changes nothing when it cannot be told what is read-only", async () => {
    await using admin = openAdmin({
      isReadOnly() {
        throw new Error("broken");
      },
    });
    const { status } = await admin.ask("PUT", "/providers/acme/idp", { body: { url: URL_OF_KEYS } });
    expect([status, admin.registry.statuses()]).toEqual([500, []]);
  });

  it("keeps mistakes of its own to itself", async () => {
    await using registry = createJwksRegistry();
    const told: unknown[] = [];
    const broken = {
      ...registry,
      register() {
        throw new TypeError("Cannot read properties of undefined (reading 'secret')");
      },
    };
    const handle = createJwksAdmin(broken, {
      authorize: async () => {},
      onError: (error) => void told.push(error),
    });
    const request = new Request("http://admin.test/providers/acme/idp", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ url: URL_OF_KEYS }),
    });
    const response = await handle(request);
    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining("secret")]);
    expect(told).toEqual([expect.any(TypeError)]);
  });

  it("refuses changes to a registry that is disposed", async () => {
    const admin: AdminFixture = openAdmin();
    await admin[Symbol.asyncDispose]();
    const { status, body } = await admin.ask("PUT", "/providers/acme/idp", { body: { url: URL_OF_KEYS } });
    expect([status, body.error.code]).toEqual([503, "ERR_UNAVAILABLE"]);
  });
});

describe("createJwksAdmin() with options", () => {
  it.each<readonly [string, unknown]>([
    ["options must be an object, got undefined", undefined],
    ["options.authorize", {}],
    ["options.readOnly is not an option", { authorize() {}, readOnly: () => true }],
    ["options.authorize", { authorize: "yes" }],
    ["options.isReadOnly", { authorize() {}, isReadOnly: ["own"] }],
    ["options.onError", { authorize() {}, onError: "log" }],
    ["options.basePath", { authorize() {}, basePath: 7 }],
    ["options.basePath", { authorize() {}, basePath: "admin" }],
    ["options.basePath", { authorize() {}, basePath: "/" }],
    ["options.basePath", { authorize() {}, basePath: "/admin/" }],
    ["options.basePath", { authorize() {}, basePath: "/a/../b" }],
    ["options.basePath", { authorize() {}, basePath: "/admin?x" }],
    ["options.basePath", { authorize() {}, basePath: "//evil.example" }],
  ])("I6: refuses a bad %s at construction: %j", (field, options) => {
    const registry = createJwksRegistry();
    expect(() => createJwksAdmin(registry, options as JwksAdminOptions)).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringContaining(field) }),
    );
  });

  it("I6: refuses what is no registry", () => {
    expect(() => createJwksAdmin({} as never, { authorize: async () => {} })).toThrow(
      "registry must be a JwksRegistry",
    );
  });
});
