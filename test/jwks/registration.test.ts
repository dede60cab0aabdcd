import { describe, expect, it } from "vitest";
import { parseAllowedDomains } from "../../src/jwks/allowed-domains.js";
import type { JwksRegistration, RegistrationContext, ResolvedRegistration } from "../../src/jwks/registration.js";
import { resolveDefaults, resolveRegistration } from "../../src/jwks/registration.js";
import { systemClock } from "../../src/lib/clock.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";

const GOOD: JwksRegistration = { tenantId: "acme", providerId: "staff", url: "https://acme.idp.example/jwks.json" };

function resolve(registration: unknown, context: Partial<RegistrationContext> = {}): ResolvedRegistration {
  const all = { defaults: {}, allowedDomains: undefined, telemetry: noTelemetry, clock: systemClock, ...context };
  return resolveRegistration(registration as JwksRegistration, all, "registration");
}

describe("resolveRegistration()", () => {
  it("takes what is given, then the registry's defaults, then those of a key cache", () => {
    const { settings, href, issuer } = resolve(
      { ...GOOD, url: new URL("https://ACME.idp.example:443/jwks.json"), maxTtlMs: 60_000, retries: undefined },
      { defaults: { maxTtlMs: 120_000, retries: 5 } },
    );
    expect(settings).toMatchObject({ maxTtlMs: 60_000, retries: 5, minTtlMs: 30_000 });
    expect(settings.labels).toEqual({ tenant: "acme", provider: "staff" });
    expect(href).toBe("https://acme.idp.example/jwks.json");
    expect(issuer).toBeUndefined();
  });

  it.each(["a", "A.b-c_9", "...", "constructor", "__proto__", "x".repeat(128)])("takes %s for an id", (id) => {
    expect(resolve({ ...GOOD, tenantId: id, providerId: id })).toMatchObject({ tenantId: id, providerId: id });
  });

  it.each([
    ["nothing", undefined, "registration must be an object, got undefined"],
    ["null", null, "registration must be an object, got null"],
    ["a list", [], "registration must be an object, got array"],
    ["no tenant", { ...GOOD, tenantId: undefined }, "registration.tenantId must be a string, got undefined"],
    ["a numbered tenant", { ...GOOD, tenantId: 7 }, "registration.tenantId must be a string, got number"],
    ["an empty id", { ...GOOD, providerId: "" }, "registration.providerId must not be empty"],
    ["an id of a dot", { ...GOOD, tenantId: "." }, "registration.tenantId must be 1 to 128 characters"],
    ["an id of two dots", { ...GOOD, providerId: ".." }, "registration.providerId must be 1 to 128 characters"],
    ["a path", { ...GOOD, tenantId: "a/b" }, "registration.tenantId"],
    ["a colon", { ...GOOD, tenantId: "a:b" }, "registration.tenantId"],
    ["a line break", { ...GOOD, tenantId: "a\n" }, "registration.tenantId"],
    ["a letter beyond ASCII", { ...GOOD, tenantId: "ä" }, "registration.tenantId"],
    ["a long id", { ...GOOD, tenantId: "x".repeat(129) }, "registration.tenantId"],
    ["no URL", { ...GOOD, url: undefined }, "registration.url must be a string or URL, got undefined"],
    ["another scheme", { ...GOOD, url: "http://idp.example/jwks" }, "registration.url must be an https: URL"],
    ["a user in the URL", { ...GOOD, url: "https://a@idp.example/" }, "registration.url must not contain a user name"],
    ["an empty issuer", { ...GOOD, issuer: "" }, "registration.issuer must not be empty"],
    ["an issuer that is no text", { ...GOOD, issuer: null }, "registration.issuer must be a string, got null"],
    [
      "a negative duration",
      { ...GOOD, maxTtlMs: -1 },
      "registration.maxTtlMs must be a positive finite number, got -1",
    ],
    ["a duration as text", { ...GOOD, cooldownMs: "5m" }, "registration.cooldownMs must be a number, got string"],
    ["a part of a retry", { ...GOOD, retries: 1.5 }, "registration.retries must be an integer, got 1.5"],
    ["another jitter", { ...GOOD, retryJitter: "some" }, "registration.retryJitter must be one of"],
    [
      "crossed bounds",
      { ...GOOD, minTtlMs: 2, maxTtlMs: 1 },
      "registration.minTtlMs must not exceed maxTtlMs (1), got 2",
    ],
    ["domains as text", { ...GOOD, allowedDomains: "idp.example" }, "registration.allowedDomains must be an array"],
    ["a wildcard", { ...GOOD, allowedDomains: ["*.example"] }, "registration.allowedDomains[0]"],
    ["no fetch", { ...GOOD, fetch: "fetch" }, "registration.fetch must be a function, got string"],
    ["a misspelt option", { ...GOOD, maxTtl: 60 }, "registration.maxTtl is not an option"],
    ["what the registry gives", { ...GOOD, clock: systemClock }, "registration.clock is not an option"],
    ["own labels", { ...GOOD, labels: { tenant: "other" } }, "registration.labels is not an option"],
    ["a prototype", JSON.parse('{"__proto__": {}}'), "registration.__proto__ is not an option"],
    ["a strange field", { ...GOOD, "hunter2 secret": 1 }, "registration has a field that is not an option"],
  ])("I6: refuses %s", (_name, registration, message) => {
    expect(() => resolve(registration)).toThrow(message);
  });

  it("H10: requires a domain that both the registry and the registration allow", () => {
    const context = { allowedDomains: parseAllowedDomains(["idp.example"], "options.allowedDomains") };
    const refusal = "registration.url must be of an allowed domain";
    expect(resolve(GOOD, context).rules.allowedDomains).toBeDefined();
    expect(resolve({ ...GOOD, allowedDomains: ["acme.idp.example"] }, context).href).toBe(GOOD.url);
    expect(() => resolve({ ...GOOD, allowedDomains: ["other.idp.example"] }, context)).toThrow(refusal);
    expect(() =>
      resolve({ ...GOOD, url: "https://evilidp.example/", allowedDomains: ["evilidp.example"] }, context),
    ).toThrow(refusal);
    expect(() => resolve(GOOD, { defaults: { allowedDomains: ["other.example"] } })).toThrow(refusal);
  });
});

describe("resolveRegistration() with a fetch that refuses hosts", () => {
  const fetch = Object.assign(async () => new Response(), {
    assertHost(hostname: string) {
      if (hostname === "10.0.0.1") throw new TypeError("secret");
    },
  });

  it.each([
    ["its own", { fetch }, {}],
    ["the registry's", {}, { defaults: { fetch } }],
  ])("H10: names the URL of a host that %s never sends to, and repeats nothing of it", (_, own, context) => {
    expect(resolve({ ...GOOD, ...own }, context).href).toBe(GOOD.url);
    expect(() => resolve({ ...GOOD, ...own, url: "https://10.0.0.1/jwks.json" }, context)).toThrow(
      new TypeError("registration.url must be of a host that the fetch in use sends to"),
    );
  });
});

describe("resolveDefaults()", () => {
  it("keeps what is set", () => {
    expect(resolveDefaults({ maxTtlMs: 60_000, retries: undefined as unknown as number }, "options.defaults")).toEqual({
      maxTtlMs: 60_000,
    });
  });

  it.each([
    [{ maxTtlMs: 0 }, "options.defaults.maxTtlMs must be a positive finite number, got 0"],
    [{ maxTtlMs: 1 }, "options.defaults.minTtlMs must not exceed maxTtlMs (1)"],
    [{ url: "https://idp.example/" }, "options.defaults.url is not an option"],
    [{ allowedDomains: [] }, "options.defaults.allowedDomains must not be empty"],
    [{ allowedDomains: ["https://idp.example"] }, "options.defaults.allowedDomains[0]"],
    ["none", "options.defaults must be an object, got string"],
  ])("I6: refuses %o", (defaults, message) => {
    expect(() => resolveDefaults(defaults as object, "options.defaults")).toThrow(message);
  });
});
