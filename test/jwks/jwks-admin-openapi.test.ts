import { describe, expect, it } from "vitest";
import { AccessDeniedError, KeysUnavailableError, TokenRejectedError } from "../../src/errors.js";
import type { JwksAdminOptions } from "../../src/jwks/jwks-admin.js";
import { resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import {
  type AdminAnswer,
  type AdminFixture,
  type AdminRequestInit,
  JWKS_ADMIN_API,
  openAdmin,
} from "../support/jwks-admin.js";
import { startJwksServer } from "../support/jwks-server.js";

const LIST = "/providers";
const ONE = "/providers/{tenant}/{provider}";
const REFRESH = "/providers/{tenant}/{provider}/refresh";
const BODY = { url: "https://idp.example/jwks.json" };

type Scenario = (admin: AdminFixture, method: string) => Promise<AdminAnswer>;

const register = (admin: AdminFixture, url = BODY.url): void =>
  admin.registry.register({ tenantId: "acme", providerId: "idp", url });

/** Asks about acme/idp, which is registered. */
const asks =
  (path: string, init?: AdminRequestInit): Scenario =>
  (admin, method) => {
    register(admin);
    return admin.ask(method, path, init);
  };
/** Asks while authorize fails. */
const refused =
  (path: string, error: Error): Scenario =>
  async (_admin, method) => {
    await using admin = openAdmin({ authorize: () => Promise.reject(error) });
    return await admin.ask(method, path);
  };
/** Asks for a refresh of an issuer that answers as given. */
const refreshes =
  (...answer: Parameters<typeof startJwksServer>): Scenario =>
  async (admin, method) => {
    await using server = await startJwksServer(...answer);
    register(admin, server.url);
    // Awaited here, before the server ends.
    return await admin.ask(method, "/providers/acme/idp/refresh");
  };

/** Whatever the path, the caller is looked at first. */
const refusals = (path: string): Readonly<Record<number, Scenario>> => ({
  401: refused(path, new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired")),
  403: refused(path, new AccessDeniedError("ERR_ROLE_MISSING", "no role")),
  500: refused(path, new Error("broken")),
  503: refused(path, new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down", { retryAfterMs: 1_000 })),
});

const list = { ...refusals("/providers"), 200: asks("/providers"), 400: asks("/providers?x=1") };
const one = {
  ...refusals("/providers/acme/idp"),
  200: asks("/providers/acme/idp"),
  400: asks("/providers/acme/%zz"),
  404: asks("/providers/acme/none"),
};

const SCENARIOS: Readonly<Record<string, Readonly<Record<number, Scenario>>>> = {
  [`GET ${LIST}`]: list,
  [`HEAD ${LIST}`]: list,
  [`GET ${ONE}`]: one,
  [`HEAD ${ONE}`]: one,
  [`PUT ${ONE}`]: {
    ...refusals("/providers/acme/idp"),
    200: asks("/providers/acme/idp", { body: BODY }),
    201: asks("/providers/acme/other", { body: BODY }),
    400: asks("/providers/acme/idp", { body: {} }),
    409: asks("/providers/own/keys", { body: BODY }),
    413: asks("/providers/acme/idp", { body: "x".repeat(65_537) }),
    415: asks("/providers/acme/idp", { body: "{}", headers: { "content-type": "text/plain" } }),
  },
  [`DELETE ${ONE}`]: {
    ...refusals("/providers/acme/idp"),
    204: asks("/providers/acme/idp"),
    400: asks("/providers/acme/%zz"),
    404: asks("/providers/acme/none"),
    409: asks("/providers/own/keys"),
  },
  [`POST ${REFRESH}`]: {
    ...refusals("/providers/acme/idp/refresh"),
    200: async (admin, method) => refreshes({ body: (await createTestIssuer()).jwks() })(admin, method),
    400: asks("/providers/acme/%zz/refresh"),
    404: asks("/providers/acme/none/refresh"),
    502: refreshes({ body: "<html>" }),
    503: refreshes({ status: 503, headers: { "retry-after": "7" } }),
  },
};

const described = JWKS_ADMIN_API.operations.flatMap(({ method, path, statuses }) =>
  statuses.map((status) => ({ method, path, status })),
);

describe("docs/jwks-admin.openapi.json", () => {
  it("describes the answers that are tried here, and no others", () => {
    const tried = Object.entries(SCENARIOS).flatMap(([operation, byStatus]) =>
      Object.keys(byStatus).map((status) => `${operation} ${status}`),
    );
    expect(described.map(({ method, path, status }) => `${method} ${path} ${status}`).toSorted()).toEqual(
      tried.toSorted(),
    );
  });

  it.each(described)("$method $path is answered with $status as described", async ({ method, path, status }) => {
    const options: Partial<JwksAdminOptions> = { isReadOnly: (tenantId) => tenantId === "own" };
    await using admin = openAdmin(options);
    const scenario = SCENARIOS[`${method} ${path}`]?.[status];
    // What is not as described makes the fixture throw.
    expect((await scenario?.(admin, method))?.status).toBe(status);
  });

  it("describes 404 elsewhere and 405 for other methods", async () => {
    await using admin = openAdmin();
    expect((await admin.ask("GET", "/elsewhere")).status).toBe(404);
    expect((await admin.ask("DELETE", "/providers")).status).toBe(405);
  });

  it("notices an answer that it does not describe", () => {
    const headers = new Headers({ "cache-control": "no-store", "content-type": "application/json" });
    const mismatchOf = (status: number, text: string, more: Readonly<Record<string, string>> = {}) =>
      JWKS_ADMIN_API.findMismatch(
        { method: "GET", pathname: "/providers" },
        { status, text, headers: new Headers({ ...Object.fromEntries(headers), ...more }) },
      );
    expect(mismatchOf(200, '{"providers":[]}')).toBeUndefined();
    expect(mismatchOf(202, '{"providers":[]}')).toContain("status");
    expect(mismatchOf(200, '{"providers":[],"next":1}')).toContain("additional properties");
    expect(mismatchOf(200, '{"providers":[{}]}')).toContain("required");
    expect(mismatchOf(200, '{"providers":[]}', { "cache-control": "public" })).toContain("cache-control");
    expect(mismatchOf(200, '{"providers":[]}', { "content-type": "text/plain" })).toContain("content-type");
    expect(mismatchOf(200, '{"providers":[]}', { "retry-after": "1" })).toContain("retry-after");
    const error = '{"error":{"code":"ERR_NOT_FOUND","message":"no"}}';
    expect(mismatchOf(403, error)).toContain("www-authenticate");
    expect(mismatchOf(400, error)).toContain("allowed values");
  });

  it("leaves no object open", () => {
    expect(JWKS_ADMIN_API.objectSchemas.length).toBeGreaterThan(4);
    for (const schema of JWKS_ADMIN_API.objectSchemas) expect(schema).toHaveProperty("additionalProperties", false);
  });
});

describe("the schema of a registration", () => {
  const { properties } = JWKS_ADMIN_API.schema("Registration") as {
    readonly properties: Readonly<Record<string, { readonly default?: unknown }>>;
  };
  // Far apart, so that a value under test is never on the wrong side of the other one.
  const base = { ...BODY, minTtlMs: 0.25, maxTtlMs: 2 ** 54 };
  const values = [-1, 0, 0.5, 1, 4_000, 2 ** 53, "1", "none", "", null, true, [], ["idp.example"], [""], [1], {}];

  it.each(Object.keys(properties))("says of %s what the handler does", async (name) => {
    await using admin = openAdmin();
    const verdicts = [];
    for (const value of [...values, BODY.url, "https://issuer.example"]) {
      const body = { ...base, [name]: value };
      const { status } = await admin.ask("PUT", "/providers/acme/idp", { body });
      const fits = JWKS_ADMIN_API.fits("Registration", body);
      expect({ value, accepted: status < 300 }).toEqual({ value, accepted: fits });
      verdicts.push(fits);
    }
    expect(new Set(verdicts)).toEqual(new Set([true, false]));
  });

  it("has the defaults that the handler uses", () => {
    const defaults = Object.fromEntries(
      Object.entries(properties)
        .filter(([, { default: value }]) => value !== undefined)
        .map(([name, { default: value }]) => [name, value]),
    );
    expect(Object.keys(defaults).length).toBeGreaterThan(15);

    expect(resolveJwksOptions({}, "options")).toMatchObject(defaults);
  });

  it("refuses, as the handler does, what it does not list", async () => {
    await using admin = openAdmin();
    for (const name of ["tenantId", "allowLoopbackHttp", "fetch", "clock", "maxTtl", "toString"]) {
      const body = { ...BODY, [name]: 1 };
      expect(JWKS_ADMIN_API.fits("Registration", body)).toBe(false);
      expect((await admin.ask("PUT", "/providers/acme/idp", { body })).body.error.field).toBe(name);
    }
    expect(JWKS_ADMIN_API.fits("Registration", {})).toBe(false);
  });
});
