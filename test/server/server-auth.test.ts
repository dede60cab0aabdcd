import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createServerAuth, type ServerAuthEvent, type ServerAuthOptions } from "../../src/server.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, KINDS } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { takeApart } from "../support/forge.js";
import { createAuthFor } from "../support/server-auth.js";

const ECHO = "latchkey.testing.v1.EchoService";

let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await createTestIssuer();
});

describe("createServerAuth()", () => {
  it.each([
    ["no issuers", { issuers: [] }, /issuers/],
    ["a realm with a quote", { realm: 'a"b' }, /realm/],
    ["a realm with a line break", { realm: "a\r\nb" }, /realm/],
    ["a tolerance that is text", { clockToleranceSeconds: "5m" }, /clockToleranceSeconds/],
    ["a negative tolerance", { clockToleranceSeconds: -1 }, /clockToleranceSeconds/],
    ["an endless tolerance", { clockToleranceSeconds: Number.POSITIVE_INFINITY }, /clockToleranceSeconds/],
    ["identity headers that are no list", { identityHeaders: "x-user" }, /^identityHeaders must be an array/],
    ["an identity header that is no text", { identityHeaders: ["x-user", 1] }, /^identityHeaders\[1\]/],
    ["an identity header without a name", { identityHeaders: [""] }, /^identityHeaders\[0\]/],
    ["an identity header with a space", { identityHeaders: ["x user"] }, /^identityHeaders\[0\]/],
    ["an identity header that carries the token", { identityHeaders: ["Authorization"] }, /^identityHeaders\[0\]/],
    ["an identity header that carries the proof", { identityHeaders: ["DPoP"] }, /^identityHeaders\[0\]/],
    ["a policy for no method", { policy: { nonsense: {} } }, /policy\["nonsense"\]/],
    ["a policy with a field too many", { policy: { "a.B/C": { anyrole: ["x"] } } }, /anyrole/],
  ])("I6: refuses %s and names it", (_, options, named) => {
    expect(() => createAuthFor(issuer, options as unknown as Partial<ServerAuthOptions>)).toThrow(named);
  });

  it("lists every method mounted, with its rule and where it comes from", () => {
    const auth = createAuthFor(issuer, { policy: { [`${ECHO}/Get`]: { public: true } } });
    expect(auth.audit()).toEqual([]);
    createRouterTransport(auth.routes(createEchoService().routes));
    expect(auth.audit()).toHaveLength(EchoService.methods.length);
    expect(auth.audit()[1]).toEqual({ method: `${ECHO}/Get`, source: "code", policy: { public: true } });
  });

  it("verifies a token outside of a call", async () => {
    const auth = createAuthFor(issuer);
    expect(await auth.verify(await issuer.mint())).toMatchObject({ subject: "alice", org: "acme" });
    await expect(auth.verify("rubbish")).rejects.toMatchObject({ code: "ERR_TOKEN_MALFORMED" });
  });

  it("tells of each refusal by code, method and issuer, and of nothing that the peer chose", async () => {
    const events: ServerAuthEvent[] = [];
    const auth = createAuthFor(issuer, { onEvent: (event) => events.push(event) });
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const secret = "secret-of-the-peer";
    const tokens = [
      undefined,
      `${secret}.${secret}.${secret}`,
      await issuer.mint({ claims: { roles: [secret] } }),
      await issuer.mint({ claims: { org: secret } }),
    ];
    for (const token of tokens) {
      await expect(callEcho(client, "unary", token)).rejects.toBeInstanceOf(Error);
      await expect(callEcho(client, "serverStream", token)).rejects.toBeInstanceOf(Error);
    }
    const { issuer: name } = issuer;
    const rejected = { type: "rejected", suppressed: 0 };
    const [unary, stream] = [`${ECHO}/Unary`, `${ECHO}/ServerStream`];
    expect(events).toEqual([
      { ...rejected, code: "ERR_CREDENTIALS_MISSING", method: unary },
      { ...rejected, code: "ERR_CREDENTIALS_MISSING", method: stream },
      { ...rejected, code: "ERR_TOKEN_MALFORMED", method: unary },
      { ...rejected, code: "ERR_TOKEN_MALFORMED", method: stream },
      { ...rejected, code: "ERR_ROLE_MISSING", method: unary, issuer: name },
      { ...rejected, code: "ERR_ROLE_MISSING", method: stream, issuer: name },
      { ...rejected, code: "ERR_ORG_MISMATCH", method: unary, issuer: name },
      { ...rejected, code: "ERR_ORG_MISMATCH", method: stream, issuer: name },
    ]);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  it("answers internal when a policy's own check throws, and tells what it threw", async () => {
    const events: ServerAuthEvent[] = [];
    const bug = new TypeError("bug");
    const allow = (): never => {
      throw bug;
    };
    const policy = { [`${ECHO}/*`]: { allow } };
    const auth = createAuthFor(issuer, { policy, onEvent: (event) => events.push(event) });
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    await expect(callEcho(client, "unary", await issuer.mint())).rejects.toMatchObject({
      code: Code.Internal,
      rawMessage: "internal error",
    });
    expect(events).toEqual([{ type: "failed", error: bug, method: `${ECHO}/Unary`, suppressed: 0 }]);
  });

  it.each([
    "tester",
    "super-tester",
    ["super-tester"],
    [["tester"]],
    [{ toString: "tester" }],
    { tester: true },
    { 0: "tester", length: 1 },
    ["Tester"],
    ["tester "],
    ["tester\0"],
    [1],
    [null],
    null,
    true,
    1,
  ])("F1: the roles %j grant nothing", async (roles) => {
    const auth = createAuthFor(issuer);
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const token = await issuer.mint({ claims: { roles } });
    await expect(callEcho(client, "unary", token)).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  it.each(KINDS)("B12: roles that a claim would have by its prototype let nobody make a %s call", async (kind) => {
    const auth = createAuthFor(issuer);
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const claims = { roles: undefined, ...JSON.parse('{"__proto__": {"roles": ["tester"]}}') };
    const token = await issuer.mint({ claims });
    const { payload } = takeApart(token);
    expect([Object.hasOwn(payload, "__proto__"), Object.hasOwn(payload, "roles")]).toEqual([true, false]);
    await expect(callEcho(client, kind, token)).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  it.each([undefined, null, "", "*", "ACME", "acm", "acme ", "аcme", ["acme"], { acme: true }, true, 0])(
    "F2: the organisation %j is not acme, nor that of a request that names none",
    async (org) => {
      const auth = createAuthFor(issuer);
      const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
      const token = await issuer.mint({ claims: { org } });
      for (const orgId of ["acme", ""]) {
        const call = callEcho(client, "serverStream", token, orgId);
        await expect(call).rejects.toMatchObject({ code: Code.PermissionDenied });
      }
    },
  );

  it("forgets a looked-up key at once when told so", async () => {
    const [key] = issuer.jwks().keys;
    if (key === undefined) throw new Error("the issuer has no key");
    let known = true;
    const auth = createServerAuth({
      issuers: [
        {
          issuer: issuer.issuer,
          audience: issuer.audience,
          algorithms: ["ES256"],
          findKey: async () => (known ? { key } : undefined),
        },
      ],
    });
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const token = await issuer.mint();
    expect(await callEcho(client, "unary", token)).toBe("alice");
    known = false;
    expect(await callEcho(client, "unary", token)).toBe("alice");
    auth.forgetKey(issuer.issuer, issuer.kid);
    await expect(callEcho(client, "unary", token)).rejects.toMatchObject({ code: Code.Unauthenticated });
    await auth[Symbol.asyncDispose]();
  });
});

describe("a server whose issuer publishes its keys over HTTP", () => {
  const clock = createManualClock();
  let rotating: TestIssuer;
  let isDown = false;
  const server = createServer((_, response) => {
    if (isDown) response.writeHead(503).end();
    else response.setHeader("content-type", "application/json").end(JSON.stringify(rotating.jwks()));
  });
  beforeAll(async () => {
    rotating = await createTestIssuer({ clock });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  function createAuth() {
    const { port } = server.address() as AddressInfo;
    const auth = createServerAuth({
      issuers: [
        {
          issuer: rotating.issuer,
          audience: rotating.audience,
          algorithms: ["ES256"],
          jwksUri: `http://127.0.0.1:${port}/jwks.json`,
        },
      ],
      allowLoopbackHttp: true,
      clock,
    });
    return {
      auth,
      client: createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes))),
    };
  }

  it("E9: refuses a cached token once its key has left the set", async () => {
    const { auth, client } = createAuth();
    const token = await rotating.mint({ lifetimeSeconds: 6 * 3_600 });
    const { kid } = rotating;
    expect(await callEcho(client, "unary", token)).toBe("alice");
    await rotating.rotate();
    rotating.remove(kid);
    // The clock leaps past the deadlines of requests under way, which do not keep up with it: as the key cache then does,
    // this asks again after a while.
    const outcomeOf = async (sent: string): Promise<unknown> => {
      for (;;) {
        const outcome = await callEcho(client, "unary", sent).catch(({ code }: { readonly code: Code }) => code);
        if (outcome !== Code.Unavailable) return outcome;
        await clock.advance(30_000);
      }
    };
    // A key set lives for an hour at most.
    await clock.advance(3_600_000);
    expect(await outcomeOf(await rotating.mint())).toBe("alice");
    expect(await outcomeOf(token)).toBe(Code.Unauthenticated);
    await auth[Symbol.asyncDispose]();
  });

  it("E8: calls a good token neither good nor bad while no key can be had", async () => {
    isDown = true;
    const { auth, client } = createAuth();
    let error: unknown;
    const call = callEcho(client, "unary", await rotating.mint()).catch((reason: unknown) => {
      error = reason;
    });
    // The key cache tries again a few times, as long as it has to.
    while (error === undefined) await clock.advance(1_000);
    await call;
    expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "temporarily unavailable" });
    expect((error as { readonly metadata: Headers }).metadata.has("www-authenticate")).toBe(false);
    isDown = false;
    await auth[Symbol.asyncDispose]();
  });
});
