import { beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../../../src/app/server/logger.js";
import { createOperations } from "../../../src/app/server/operations.js";
import { createJwksRegistry } from "../../../src/jwks/jwks-registry.js";
import { createServerAuth, KeysUnavailableError } from "../../../src/server.js";
import { createTestIssuer, type MintOptions, type TestIssuer } from "../../../src/testing/test-issuer.js";
import { createTextSink } from "../../support/cli.js";

const OPERATOR: MintOptions = { claims: { org: "acme", roles: ["operator"] } };

describe("createOperations()", () => {
  let own: TestIssuer;
  let other: TestIssuer;
  beforeAll(async () => {
    own = await createTestIssuer({ issuer: "https://jobs.test", audience: "latchkey" });
    other = await createTestIssuer({ issuer: "https://idp.test", audience: "latchkey" });
  });

  function open() {
    const registry = createJwksRegistry();
    const auth = createServerAuth({
      issuers: [own, other].map((issuer) => ({
        issuer: issuer.issuer,
        audience: "latchkey",
        algorithms: ["ES256"],
        keys: issuer.jwks(),
      })),
    });
    const log = createTextSink();
    const handle = createOperations({ registry, auth, issuer: own.issuer, log: createLogger(log, "info") });
    const ask = (authorization: string | undefined, init: RequestInit = {}, path = "/providers") =>
      handle(
        new Request(`http://jobs.test/admin/jwks${path}`, {
          ...init,
          headers: { "content-type": "application/json", ...(authorization !== undefined && { authorization }) },
        }),
      );
    return { registry, auth, log, ask };
  }

  it("lets in who has the role operator from the server itself", async () => {
    const { ask } = open();
    const response = await ask(`Bearer ${await own.mint(OPERATOR)}`);
    expect([response.status, await response.json()]).toEqual([200, { providers: [] }]);
  });

  it.each<readonly [string, () => Promise<string | undefined>, number]>([
    ["no token", async () => undefined, 401],
    ["another scheme", async () => `Basic ${await own.mint(OPERATOR)}`, 401],
    ["two tokens", async () => `Bearer ${await own.mint(OPERATOR)}, Bearer x`, 401],
    ["a bad signature", async () => `Bearer ${(await own.mint(OPERATOR)).slice(0, -4)}AAAA`, 401],
    ["an expired token", async () => `Bearer ${await own.mint({ ...OPERATOR, lifetimeSeconds: -60 })}`, 401],
    [
      "a token for another audience",
      async () => `Bearer ${await own.mint({ claims: { aud: "x", roles: ["operator"] } })}`,
      401,
    ],
    [
      "the role admin",
      async () => `Bearer ${await own.mint({ claims: { roles: ["admin", "worker", "submitter"] } })}`,
      403,
    ],
    ["F1: a role of another kind", async () => `Bearer ${await own.mint({ claims: { roles: "operator" } })}`, 403],
    ["F1: a role in another case", async () => `Bearer ${await own.mint({ claims: { roles: ["Operator"] } })}`, 403],
    ["a scope of that name", async () => `Bearer ${await own.mint({ claims: { roles: [], scope: "operator" } })}`, 403],
    ["the role operator from another issuer", async () => `Bearer ${await other.mint(OPERATOR)}`, 403],
  ])("refuses %s", async (_name, authorization, status) => {
    const { ask, registry } = open();
    const body = JSON.stringify({ url: "https://evil.example/jwks.json" });
    const response = await ask(await authorization(), { method: "PUT", body }, "/providers/trust/idp");
    expect(response.status).toBe(status);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="latchkey"/);
    expect(registry.statuses()).toEqual([]);
  });

  it("refuses a credential, even one with the role operator on its record", async () => {
    const key = await createTestIssuer({ issuer: "latchkey-cli", audience: "latchkey" });
    const principal = { principalId: "alice", org: "acme", roles: ["operator"] };
    const auth = createServerAuth({
      issuers: [
        {
          issuer: "latchkey-cli",
          audience: "latchkey",
          algorithms: ["ES256"],
          findKey: async () => ({ key: key.jwks().keys[0] ?? {}, principal }),
        },
      ],
    });
    const token = await key.mint({ claims: { sub: "alice", roles: ["operator"], org: "acme" } });
    expect([...(await auth.verify(token)).roles]).toEqual(["operator"]);
    const log = createLogger(createTextSink(), "silent");
    const handle = createOperations({ registry: createJwksRegistry(), auth, issuer: own.issuer, log });
    const headers = { authorization: `Bearer ${token}` };
    expect((await handle(new Request("http://jobs.test/admin/jwks/providers", { headers }))).status).toBe(403);
  });

  it("answers 503 while tokens cannot be checked", async () => {
    const verify = () => Promise.reject(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down"));
    const log = createLogger(createTextSink(), "silent");
    const handle = createOperations({ registry: createJwksRegistry(), auth: { verify }, issuer: own.issuer, log });
    const headers = { authorization: "Bearer x" };
    expect((await handle(new Request("http://jobs.test/admin/jwks/providers", { headers }))).status).toBe(503);
  });

  it("lets nobody change the server's own keys, nor end a trusted issuer", async () => {
    const { ask, registry } = open();
    for (const tenantId of ["latchkey", "trust"]) {
      registry.register({ tenantId, providerId: "own", url: "https://keys.test/" });
    }
    const token = `Bearer ${await own.mint(OPERATOR)}`;
    const body = JSON.stringify({ url: "https://new.test/" });
    const statusOf = async (method: string, path: string): Promise<number> =>
      (await ask(token, method === "PUT" ? { method, body } : { method }, path)).status;
    expect(await statusOf("PUT", "/providers/latchkey/own")).toBe(409);
    expect(await statusOf("DELETE", "/providers/latchkey/own")).toBe(409);
    expect(await statusOf("PUT", "/providers/latchkey/second")).toBe(409);
    expect(await statusOf("DELETE", "/providers/trust/own")).toBe(409);
    expect(registry.statuses().map(({ url }) => url)).toEqual(["https://keys.test/", "https://keys.test/"]);
    expect(await statusOf("PUT", "/providers/trust/own")).toBe(200);
    expect(registry.status("trust", "own")?.url).toBe("https://new.test/");
  });

  it("L1: logs what operators change, and nothing of who asked in vain or what they sent", async () => {
    const { ask, log } = open();
    const token = await own.mint(OPERATOR);
    const body = JSON.stringify({ url: "https://hidden.test/" });
    await ask("Bearer wrong", { method: "PUT", body }, "/providers/a/refused");
    await ask(`Bearer ${token}`, { method: "PUT", body: "hidden" }, "/providers/a/broken");
    await ask(`Bearer ${token}`);
    expect(log.text).toBe("");
    await ask(`Bearer ${token}`, { method: "PUT", body }, "/providers/a/b-c");
    await ask(`Bearer ${token}`, { method: "DELETE" }, "/providers/a/b-c");
    const lines = log.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { method: "PUT", path: "/admin/jwks/providers/a/b-c" },
      { method: "DELETE", path: "/admin/jwks/providers/a/b-c" },
    ]);
    expect(log.text).not.toContain("hidden");
    for (const part of token.split(".")) expect(log.text).not.toContain(part);
  });
});
