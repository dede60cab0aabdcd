import { describe, expect, it } from "vitest";
import { toStatusBody } from "../../src/jwks/jwks-admin-status.js";
import type { JwksProviderStatus } from "../../src/jwks/jwks-registry.js";
import { JWKS_ADMIN_API } from "../support/jwks-admin.js";

const EMPTY: JwksProviderStatus = {
  tenantId: "acme",
  providerId: "idp",
  url: "https://idp.example/jwks.json",
  issuer: undefined,
  state: "empty",
  usable: false,
  stale: false,
  kids: [],
  unusableKeys: 0,
  ageMs: undefined,
  fetchedAtMs: undefined,
  expiresAtMs: undefined,
  usableUntilMs: undefined,
  nextRefreshAtMs: undefined,
  consecutiveFailures: 0,
  lastFailure: undefined,
  circuit: "closed",
  hits: 0,
  staleServed: 0,
  misses: 0,
  hitRate: 1,
};

const sent = (status: JwksProviderStatus): unknown => JSON.parse(JSON.stringify(toStatusBody(status)));

describe("toStatusBody()", () => {
  it("has every field, null where nothing is known", () => {
    const { issuer, ageMs, lastFailure, ...known } = EMPTY;
    expect(sent(EMPTY)).toEqual({
      ...known,
      issuer: null,
      ageMs: null,
      fetchedAtMs: null,
      expiresAtMs: null,
      usableUntilMs: null,
      nextRefreshAtMs: null,
      lastFailure: null,
    });
    expect(JWKS_ADMIN_API.fits("ProviderStatus", sent(EMPTY))).toBe(true);
  });

  it("has null for what JSON has no number for", () => {
    const endless = { ...EMPTY, ageMs: Number.NaN, expiresAtMs: Number.POSITIVE_INFINITY };
    expect(sent(endless)).toMatchObject({ ageMs: null, expiresAtMs: null });
    expect(JWKS_ADMIN_API.fits("ProviderStatus", sent(endless))).toBe(true);
  });

  it("passes on nothing that it does not know", () => {
    const more: JwksProviderStatus & { readonly keys: readonly string[] } = { ...EMPTY, keys: ["private"] };
    expect(JSON.stringify(toStatusBody(more))).not.toContain("private");
  });

  it.each([
    ["https://idp.example/jwks.json?api_key=hidden", "https://idp.example/jwks.json"],
    ["https://idp.example:8443/?hidden", "https://idp.example:8443/"],
    ["https://idp.example/a%20b", "https://idp.example/a%20b"],
  ])("shows of %s what is no secret", (url, shown) => {
    expect(sent({ ...EMPTY, url })).toMatchObject({ url: shown });
  });
});
