import { Code, createClient, createContextValues, createRouterTransport } from "@connectrpc/connect";
import { beforeAll, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createMethodRules } from "../../src/policy/method-rules.js";
import { type Admissions, type Call, createAdmissions } from "../../src/server/admission.js";
import { createDeleteIdentity } from "../../src/server/identity-headers.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier } from "../../src/verify/verifier.js";
import { createEchoService } from "../support/echo-service.js";
import { startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await createTestIssuer();
});

function createAdmissionsFor({ issuer: name, audience, jwks }: TestIssuer): Admissions {
  return createAdmissions({
    verifier: createVerifier({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], keys: jwks() }] }),
    rules: createMethodRules(),
    challenge: { realm: "test" },
    report() {},
    deleteIdentity: createDeleteIdentity(),
  });
}

async function createCall(overrides: Partial<Call> = {}): Promise<Call> {
  return {
    method: EchoService.method.unary,
    header: new Headers({ authorization: `Bearer ${await issuer.mint()}` }),
    values: createContextValues(),
    signal: new AbortController().signal,
    requestMethod: "POST",
    url: "https://service.test/latchkey.testing.v1.EchoService/Unary",
    ...overrides,
  };
}

describe("createAdmissions()", () => {
  it("finds the admission of a call, and none before", async () => {
    const admissions = createAdmissionsFor(issuer);
    const call = await createCall();
    expect(admissions.find(call)).toBeUndefined();
    const admission = await admissions.admit(call);
    expect(admissions.find(call)).toBe(admission);
    expect(admission.principal?.subject).toBe("alice");
  });

  it("F6: does not take one call's admission for another's that shares its context values", async () => {
    const admissions = createAdmissionsFor(issuer);
    const call = await createCall();
    await admissions.admit(call);
    expect(admissions.find({ ...call, header: new Headers(call.header) })).toBeUndefined();
    expect(admissions.find({ ...call, method: EchoService.method.get })).toBeUndefined();
  });

  it("does not take another server's admission for its own", async () => {
    const call = await createCall();
    await createAdmissionsFor(issuer).admit(call);
    expect(createAdmissionsFor(issuer).find(call)).toBeUndefined();
  });

  it("J2: applies the rule of each method to a token that was verified before", async () => {
    const auth = createAuthFor(issuer, {
      policy: {
        "latchkey.testing.v1.EchoService/Get": { anyRole: ["admin"] },
        "latchkey.testing.v1.EchoService/Unary": { orgs: ["acme"] },
      },
    });
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const options = { headers: { authorization: `Bearer ${await issuer.mint()}` } };
    for (let round = 0; round < 2; round++) {
      await client.unary({}, options);
      await expect(client.get({}, options)).rejects.toMatchObject({ code: Code.PermissionDenied });
    }
  });

  it("F6: never crosses the callers of 1,000 interleaved calls, though the application shares its context values", async () => {
    const auth = createAuthFor(issuer, { maxPendingVerifications: 1_000 });
    const shared = createContextValues();
    const echo = createEchoService();
    const options = auth.protect({ routes: echo.routes, contextValues: () => shared });
    await using server = await startRpcServer("2", options);
    const client = createClient(EchoService, server.transport("grpc"));
    const subjects = Array.from({ length: 1_000 }, (_, index) => `caller-${index}`);
    const tokens = await Promise.all(subjects.map((sub) => issuer.mint({ claims: { sub } })));
    const answers = await Promise.all(
      tokens.map(async (token, index) => {
        const callOptions = { headers: { authorization: `Bearer ${token}` } };
        if (index % 2 === 0) return (await client.unary({ orgId: "acme" }, callOptions)).subject;
        let subject = "";
        for await (const answer of client.serverStream({ orgId: "acme", count: 3 }, callOptions)) {
          subject = answer.subject;
        }
        return subject;
      }),
    );
    expect(answers).toEqual(subjects);
    expect(echo.calls()).toBe(1_000);
  });
});
