import type { JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createTestIssuer, type MintOptions, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { Principal } from "../../src/token/principal.js";
import type { TrustedIssuer, TrustedPrincipal } from "../../src/verify/trusted-issuer.js";
import { createVerifier } from "../../src/verify/verifier.js";

const CLAIMS_REFUSED = { name: "TokenRejectedError", code: "ERR_TOKEN_CLAIMS" };

describe("buildPrincipal()", () => {
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await createTestIssuer();
  });

  async function verify(minted: MintOptions, source: Partial<TrustedIssuer> = {}): Promise<Principal> {
    const { issuer: name, audience } = issuer;
    const keys = "findKey" in source ? {} : { keys: issuer.jwks() };
    const issuers = [{ issuer: name, audience, algorithms: ["ES256"] as const, ...keys, ...source }];
    return createVerifier({ issuers }).verify(await issuer.mint(minted));
  }

  it.each([
    "admin",
    "superadmin-readonly",
    [["admin"]],
    { admin: true },
    { 0: "admin", length: 1 },
    ["admin", 7],
    ["admin", null],
    ["admin", ["admin"]],
    [{ toString: "admin" }],
    null,
    true,
    7,
    [],
    undefined,
  ])("F1: takes no role from %o", async (roles) => {
    expect((await verify({ claims: { roles } })).roles.size).toBe(0);
  });

  it("F1: takes roles as they are written", async () => {
    const { roles } = await verify({ claims: { roles: ["Admin", "admin ", "admin\u0000", "ADMIN"] } });
    expect(roles.has("admin")).toBe(false);
    expect(roles.size).toBe(4);
  });

  it.each([undefined, null, "", 7, true, ["acme"], { org: "acme" }, []])("F2: takes no org from %o", async (org) => {
    expect((await verify({ claims: { org } })).org).toBeUndefined();
  });

  it("F2: takes an org as it is written", async () => {
    for (const org of ["*", "ACME", "acme ", "acm", "\u0430cme"]) {
      expect((await verify({ claims: { org } })).org).toBe(org);
    }
  });

  it.each([undefined, null, "", 7, ["alice"]])("refuses the subject %o", async (sub) => {
    await expect(verify({ claims: { sub } })).rejects.toMatchObject(CLAIMS_REFUSED);
  });

  it.each([null, "", 7, ["user-7"]])("refuses the principal %o instead of falling back to the subject", async (id) => {
    await expect(verify({ claims: { principal_id: id } })).rejects.toMatchObject(CLAIMS_REFUSED);
  });

  it("takes scopes from an array of texts", async () => {
    expect([...(await verify({ claims: { scp: ["a", "b"] } }, { claims: { scope: "scp" } })).scopes]).toEqual([
      "a",
      "b",
    ]);
  });

  describe("claims by path", () => {
    const claims = { roles: "realm_access.roles", org: "tenant.id", principal: "https://idp.test/user.id" };
    const nested = { realm_access: { roles: ["admin"] }, tenant: { id: "globex" }, "https://idp.test/user.id": "u-1" };

    it("are found inside of others, and by a name that has dots itself", async () => {
      const principal = await verify({ claims: nested }, { claims });
      expect(principal).toMatchObject({ org: "globex", principalId: "u-1" });
      expect([...principal.roles]).toEqual(["admin"]);
    });

    it.each([
      { realm_access: ["admin"] },
      { realm_access: "admin" },
      { realm_access: null },
      { realm_access: { roles: "admin" } },
      { realm_access: JSON.parse('{"__proto__": {"roles": ["admin"]}}') },
      { "realm_access.roles": "admin", realm_access: { roles: ["admin"] } },
      {},
    ])("F1: grant nothing from %o", async (own) => {
      expect((await verify({ claims: { ...own, roles: ["admin"] } }, { claims })).roles.size).toBe(0);
    });

    it("B12: lead to nothing that every object inherits", async () => {
      const inherited = { org: "constructor.name", roles: "__proto__.roles" };
      expect((await verify({}, { claims: inherited })).org).toBeUndefined();
    });

    it("narrow a record as claims by name do", async () => {
      const principal = { principalId: "alice", org: "acme", roles: ["tester"] };
      const [key] = issuer.jwks().keys;
      const findKey = async () => ({ key: key as JWK, principal });
      const narrowed = await verify({ claims: { realm_access: { roles: ["tester"] } } }, { claims, findKey });
      expect([...narrowed.roles]).toEqual(["tester"]);
      await expect(verify({ claims: nested }, { claims, findKey })).rejects.toMatchObject(CLAIMS_REFUSED);
    });
  });

  it("tells who acts for the subject, and for whom that one acts", async () => {
    const act = { sub: "service-b", iss: "https://b.test", act: { sub: "service-a" } };
    const { actor } = await verify({ claims: { act } });
    expect(actor).toMatchObject({ subject: "service-b", issuer: "https://b.test", actor: { subject: "service-a" } });
    expect(actor?.actor?.issuer).toBe(issuer.issuer);
    expect(actor?.roles.size).toBe(0);
    expect(Object.isFrozen(actor)).toBe(true);
  });

  it.each(["service", null, [], {}, { sub: 7 }, { sub: "b", act: "a" }])("refuses the actor %o", async (act) => {
    await expect(verify({ claims: { act } })).rejects.toMatchObject(CLAIMS_REFUSED);
  });

  it("takes scopes from one text", async () => {
    expect([...(await verify({ claims: { scope: " a  b " } })).scopes]).toEqual(["a", "b"]);
    for (const scope of ["", null, 7, ["a", 7], [["a"]], { a: true }])
      expect((await verify({ claims: { scope } })).scopes.size).toBe(0);
  });

  it("reads the claims that it is configured to read", async () => {
    const names = { org: "tenant", roles: "https://roles.test", principal: "oid", scope: "scp" };
    const claims = { tenant: "umbrella", "https://roles.test": ["r"], oid: "o-1", scp: "s" };
    const principal = await verify({ claims }, { claims: names });
    expect(principal).toMatchObject({ org: "umbrella", principalId: "o-1" });
    expect([...principal.roles, ...principal.scopes]).toEqual(["r", "s"]);
  });

  it("B12: gives claims named like members of objects no authority", async () => {
    const claims = JSON.parse('{"__proto__":{"roles":["admin"],"org":"acme"},"constructor":{"name":"x"}}');
    const principal = await verify({ claims: { ...claims, org: undefined, roles: undefined } });
    expect(principal.org).toBeUndefined();
    expect(principal.roles.size).toBe(0);
    expect(({} as { roles?: unknown }).roles).toBeUndefined();
    for (const name of ["toString", "constructor", "__proto__"]) {
      expect((await verify({}, { claims: { org: name, roles: name } })).org).toBeUndefined();
    }
  });

  it("gives a principal that nobody can change", async () => {
    const claims = { nested: { list: [{ deep: 1 }] } };
    const principal = await verify({ claims });
    const { list } = principal.claims["nested"] as { readonly list: { deep: number }[] };
    const roles = principal.roles as Set<string>;
    for (const change of [
      () => Object.assign(principal, { org: "other" }),
      () => Object.assign(principal.claims, { org: "other" }),
      () => Object.assign(list[0] as object, { deep: 2 }),
      () => list.push({ deep: 2 }),
      () => (principal.audience as string[]).push("other"),
      () => roles.add("admin"),
      () => roles.delete("tester"),
      () => roles.clear(),
      () => (principal.scopes as Set<string>).add("scope"),
      () => Object.assign(roles, { has: () => true }),
    ]) {
      expect(change).toThrow(TypeError);
    }
    expect([...principal.roles]).toEqual(["tester"]);
    expect(principal.scopes.size).toBe(0);
  });

  describe("with a record of the key's holder", () => {
    const record: TrustedPrincipal = { principalId: "user-7", org: "acme", roles: ["submitter", "worker"] };
    const recorded = (claims: Readonly<Record<string, unknown>>): Promise<Principal> => {
      const key = issuer.jwks().keys[0] as NonNullable<unknown>;
      const bare = { org: undefined, roles: undefined, sub: issuer.kid };
      return verify({ claims: { ...bare, ...claims } }, { findKey: async () => ({ key, principal: record }) });
    };

    it("the record fills in what the token leaves out", async () => {
      const principal = await recorded({});
      expect(principal).toMatchObject({ principalId: "user-7", org: "acme", subject: issuer.kid });
      expect([...principal.roles]).toEqual(["submitter", "worker"]);
    });

    it("the token may say the same, or claim fewer roles", async () => {
      const principal = await recorded({ org: "acme", principal_id: "user-7", roles: ["worker"], sub: "user-7" });
      expect([...principal.roles]).toEqual(["worker"]);
      expect((await recorded({ roles: [] })).roles.size).toBe(0);
    });

    it.each([
      { org: "other" },
      { org: "ACME" },
      { org: "" },
      { org: null },
      { org: ["acme"] },
      { principal_id: "user-8" },
      { principal_id: null },
      { roles: ["admin"] },
      { roles: ["worker", "admin"] },
      { roles: "worker" },
      { roles: null },
      { roles: [["worker"]] },
      { sub: "someone-else" },
      { sub: undefined },
    ])("refuses a token that claims %o", async (claims) => {
      await expect(recorded(claims)).rejects.toMatchObject(CLAIMS_REFUSED);
    });

    it("grants no scope that the token gives itself", async () => {
      expect((await recorded({ scope: "admin" })).scopes.size).toBe(0);
    });
  });
});
