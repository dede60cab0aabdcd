import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { calculateJwkThumbprint, decodeJwt } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import {
  bearerAuth,
  clientCredentials,
  type DpopProofs,
  dpopProofs,
  privateKeyJwt,
  type TokenSource,
} from "../../src/client.js";
import { generateSigningKey, type SigningKey } from "../../src/node.js";
import { createDpopChecker, type DpopChecker } from "../support/dpop-checker.js";
import { callEcho, KINDS } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { type OidcProviderServer, startOidcProvider } from "./oidc-provider-server.js";

const RESOURCE = "https://jobs.example";

let clientKey: SigningKey;
let proofKey: SigningKey;
let provider: OidcProviderServer;
let checker: DpopChecker;
let rpc: RpcServer;

beforeAll(async () => {
  [{ key: clientKey }, { key: proofKey }] = await Promise.all([generateSigningKey(), generateSigningKey()]);
});

beforeEach(async () => {
  provider = await startOidcProvider([{ clientId: "report", key: clientKey }], RESOURCE, "", true);
  checker = createDpopChecker();
  checker.nonce = "of-the-service";
  rpc = await startRpcServer("2", { routes: createEchoService().routes, requestGate: checker.gate });
});

afterEach(async () => {
  await rpc?.[Symbol.asyncDispose]();
  await provider?.[Symbol.asyncDispose]();
});

function createSource(dpop: DpopProofs): TokenSource {
  return clientCredentials({
    authorizationServer: provider.issuer,
    clientId: "report",
    clientAuth: privateKeyJwt({ key: clientKey }),
    resource: RESOURCE,
    dpop,
  });
}

function createEchoClient(source: TokenSource, dpop: DpopProofs): Client<typeof EchoService> {
  const interceptors = [bearerAuth(source, { dpop })];
  return createClient(EchoService, createConnectTransport({ baseUrl: rpc.url, httpVersion: "2", interceptors }));
}

describe("proofs of possession", () => {
  it("get a token that is bound to their key, with a nonce of the server", async () => {
    const request = { audience: RESOURCE, origin: RESOURCE, signal: AbortSignal.timeout(10_000) };
    const { value } = await createSource(dpopProofs({ key: proofKey })).getToken(request);
    expect(decodeJwt(value)).toMatchObject({ cnf: { jkt: await calculateJwkThumbprint(proofKey.publicJwk) } });
    expect(provider.tokenRequests).toMatchObject([{ error: "use_dpop_nonce" }, {}]);
  });

  it("open calls of every kind, with one token and the nonces of two servers", async () => {
    const dpop = dpopProofs({ key: proofKey });
    const client = createEchoClient(createSource(dpop), dpop);
    for (const kind of KINDS) await callEcho(client, kind, undefined);
    expect(provider.tokenRequests).toMatchObject([{ error: "use_dpop_nonce" }, {}]);
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([
      undefined,
      ...KINDS.map(() => "of-the-service"),
    ]);
  });

  it("of another key do not open calls with that token", async () => {
    const { key } = await generateSigningKey();
    const client = createEchoClient(createSource(dpopProofs({ key: proofKey })), dpopProofs({ key }));
    const error = await client.unary({}).catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.Unauthenticated });
  });
});
