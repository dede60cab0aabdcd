import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth, type DpopProofs, dpopProofs, generateSigningKey, signedJwt } from "../../src/client.js";
import { createServerAuth, type ServerAuth, type ServerAuthOptions } from "../../src/server.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import type { TokenSource } from "../../src/token/token.js";
import { callEcho, items, KINDS, type Kind } from "../support/echo-calls.js";
import { createEchoService, type EchoFixture } from "../support/echo-service.js";
import { PROTOCOLS, type Protocol, type RpcServer, startRpcServer } from "../support/rpc-server.js";

const AUDIENCE = "https://jobs.example";
const ALGS = 'algs="ES256 EdDSA PS256 RS256"';
const RECHECK_MS = 30_000;
const REPEATED: readonly Kind[] = ["unary", "serverStream"];

const { key } = await generateSigningKey();

let clock: ManualClock;
let dpop: DpopProofs;
let source: TokenSource;
let auth: ServerAuth;
let server: RpcServer;
let echo: EchoFixture;
let refusals: string[];

beforeEach(() => {
  clock = createManualClock();
  dpop = dpopProofs({ key, clock });
  source = createSource(dpop);
  echo = createEchoService();
  refusals = [];
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

function createSource(proofs?: DpopProofs): TokenSource {
  return signedJwt({
    key,
    issuer: "jobs-cli",
    audience: AUDIENCE,
    subject: "alice",
    claims: { org: "acme", roles: ["tester"] },
    clock,
    ...(proofs && { dpop: proofs }),
  });
}

/** Starts a server that checks proofs, or none when `proofs` is undefined. */
async function start(proofs?: ServerAuthOptions["dpop"], options: Partial<ServerAuthOptions> = {}): Promise<void> {
  auth = createServerAuth({
    issuers: [{ issuer: "jobs-cli", audience: AUDIENCE, algorithms: ["ES256"], keys: { keys: [key.publicJwk] } }],
    streams: { recheckMs: RECHECK_MS },
    onEvent: (event) => {
      if (event.type === "rejected") refusals.push(event.code);
    },
    clock,
    ...(proofs && { dpop: proofs }),
    ...options,
  });
  server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
}

/** A client that proves each call. */
function provingClient(protocol: Protocol, proofs = dpop, { url: baseUrl } = server) {
  const interceptors = [bearerAuth(source, { dpop: proofs, clock })];
  const options = { baseUrl, httpVersion: "2", interceptors } as const;
  const create = { connect: createConnectTransport, grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport };
  return createClient(EchoService, create[protocol](options));
}

async function tokenOf(from = source): Promise<string> {
  const signal = new AbortController().signal;
  return (await from.getToken({ audience: AUDIENCE, origin: AUDIENCE, signal })).value;
}

function urlOf(kind: Kind): string {
  return `${server.url}/latchkey.testing.v1.EchoService/${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
}

/** What a refused call tells: code, challenge, and whether it gives a nonce. */
type Refusal = readonly [Code, string | null, boolean];

/** Makes a call with headers of its own, and gives its refusal. */
async function refusalOf(protocol: Protocol, kind: Kind, headers: Record<string, string>): Promise<Refusal> {
  const transport = server.transport(protocol);
  const client = createClient(EchoService, {
    unary: (method, signal, timeoutMs, _, ...rest) => transport.unary(method, signal, timeoutMs, headers, ...rest),
    stream: (method, signal, timeoutMs, _, ...rest) => transport.stream(method, signal, timeoutMs, headers, ...rest),
  });
  const error = await callEcho(client, kind, undefined).then(
    () => {
      throw new Error("the call was answered");
    },
    (reason: unknown) => ConnectError.from(reason),
  );
  return [error.code, error.metadata.get("www-authenticate"), error.metadata.has("dpop-nonce")];
}

const refused = (error: string, hasNonce = false): Refusal => [
  Code.Unauthenticated,
  `DPoP realm="latchkey", error="${error}", ${ALGS}`,
  hasNonce,
];

describe.each(PROTOCOLS)("calls with a proof of possession over %s", (protocol) => {
  it.each(KINDS)("E11: are accepted, one proof for each call: %s", async (kind) => {
    await start({});
    const client = provingClient(protocol);
    for (let call = 0; call < 3; call++) expect(await callEcho(client, kind, undefined)).toBe("alice");
    expect([echo.calls(), refusals]).toEqual([3, []]);
  });

  it.each(KINDS)("E11: are made again once with the nonce that the server wants: %s", async (kind) => {
    await start({ requireNonce: true });
    const client = provingClient(protocol);
    if (!REPEATED.includes(kind)) {
      await expect(callEcho(client, kind, undefined)).rejects.toMatchObject({ code: Code.Unauthenticated });
    }
    expect(await callEcho(client, kind, undefined)).toBe("alice");
    expect(await callEcho(client, kind, undefined)).toBe("alice");
    expect([echo.calls(), refusals]).toEqual([2, ["ERR_PROOF_NONCE"]]);
  });

  it("are told a nonce when they are answered, and when they are refused for anything", async () => {
    await start({ requireNonce: true });
    const client = provingClient(protocol);
    const nonces: (string | null)[] = [];
    const onHeader = (headers: Headers): void => void nonces.push(headers.get("dpop-nonce"));
    await client.unary({ orgId: "acme" }, { onHeader });
    for await (const _ of client.serverStream({ orgId: "acme", count: 1 }, { onHeader }));
    await client.clientStream(items({ orgId: "acme" }), { onHeader });
    for await (const _ of client.bidiStream(items({ orgId: "acme" }), { onHeader }));
    expect(nonces).toEqual(Array(KINDS.length).fill(expect.stringMatching(/^[\w-]+/)));
    const authorization = `DPoP ${await tokenOf()}`;
    for (const kind of KINDS) {
      expect(await refusalOf(protocol, kind, { authorization })).toEqual(refused("invalid_dpop_proof", true));
      const proof = await dpop.createProof({ method: "POST", url: urlOf(kind), accessToken: await tokenOf() });
      expect((await refusalOf(protocol, kind, { authorization, dpop: proof })).at(-1)).toBe(true);
      const denied = ConnectError.from(await callEcho(client, kind, undefined, "other").catch((error) => error));
      expect([denied.code, denied.metadata.has("dpop-nonce")]).toEqual([Code.PermissionDenied, true]);
    }
  });

  it("are told a nonce by a server that has the interceptor alone", async () => {
    await start({ requireNonce: true });
    await using halfMounted = await startRpcServer("2", { routes: echo.routes, interceptors: [auth.interceptor] });
    const client = provingClient(protocol, dpop, halfMounted);
    const nonces: (string | null)[] = [];
    const onHeader = (headers: Headers): void => void nonces.push(headers.get("dpop-nonce"));
    await client.unary({ orgId: "acme" }, { onHeader });
    for await (const _ of client.serverStream({ orgId: "acme", count: 1 }, { onHeader }));
    expect(nonces).toEqual(Array(2).fill(expect.stringMatching(/^[\w-]+/)));
  });

  it.each(KINDS)("E11: are refused with a proof that was used, or is for something else: %s", async (kind) => {
    await start({});
    const accessToken = await tokenOf();
    const call = { method: "POST", url: urlOf(kind), accessToken };
    const used = { authorization: `DPoP ${accessToken}`, dpop: await dpop.createProof(call) };
    await expect(refusalOf(protocol, kind, used)).rejects.toThrow("the call was answered");
    expect(echo.calls()).toBe(1);
    for (const headers of [
      used,
      { ...used, dpop: await dpop.createProof({ ...call, url: `${server.url}/other` }) },
      { ...used, dpop: await dpop.createProof({ ...call, method: "GET" }) },
      { ...used, dpop: await dpop.createProof({ ...call, accessToken: await tokenOf() }) },
      { ...used, dpop: `${used.dpop}x` },
      { authorization: used.authorization },
    ]) {
      expect(await refusalOf(protocol, kind, headers)).toEqual(refused("invalid_dpop_proof"));
    }
    expect(echo.calls()).toBe(1);
  });

  it.each(KINDS)(
    "E11: cannot be left out by who has but the token, nor be made for an unbound one: %s",
    async (kind) => {
      await start({});
      const bound = await tokenOf();
      const bearer = { authorization: `Bearer ${bound}` };
      const challenge = 'Bearer realm="latchkey", error="invalid_token"';
      const proof = async (accessToken: string): Promise<Record<string, string>> => ({
        dpop: await dpop.createProof({ method: "POST", url: urlOf(kind), accessToken }),
      });
      for (const headers of [bearer, { ...bearer, ...(await proof(bound)) }]) {
        expect(await refusalOf(protocol, kind, headers)).toEqual([Code.Unauthenticated, challenge, false]);
      }
      const unbound = await tokenOf(createSource());
      const headers = { authorization: `DPoP ${unbound}`, ...(await proof(unbound)) };
      expect(await refusalOf(protocol, kind, headers)).toEqual(refused("invalid_token"));
      expect(echo.calls()).toBe(0);
    },
  );

  it.each(KINDS)("E11: are refused where proofs are not checked: %s", async (kind) => {
    await start();
    const accessToken = await tokenOf();
    const dpopHeader = await dpop.createProof({ method: "POST", url: urlOf(kind), accessToken });
    for (const [scheme, error] of [
      ["DPoP", "invalid_request"],
      ["Bearer", "invalid_token"],
    ]) {
      const headers = { authorization: `${scheme} ${accessToken}`, dpop: dpopHeader };
      const challenge = `Bearer realm="latchkey", error="${error}"`;
      expect(await refusalOf(protocol, kind, headers)).toEqual([Code.Unauthenticated, challenge, false]);
    }
    expect(echo.calls()).toBe(0);
  });

  it.each(KINDS)("E11: are refused without a challenge while replays cannot be ruled out: %s", async (kind) => {
    await start({ replayStore: { claim: () => Promise.reject(new Error("ECONNREFUSED")) } });
    const answer = callEcho(provingClient(protocol), kind, undefined);
    const error = ConnectError.from(await answer.catch((reason: unknown) => reason));
    expect([error.code, error.metadata.get("www-authenticate")]).toEqual([Code.Unavailable, null]);
    expect([echo.calls(), refusals]).toEqual([0, ["ERR_REPLAY_UNAVAILABLE"]]);
  });

  it("stay open through the checks of running streams, which use up no proof", async () => {
    let claims = 0;
    let checks = 0;
    const gate = Promise.withResolvers<void>();
    echo = createEchoService({
      async *serverStream() {
        yield { text: "first" };
        await gate.promise;
        yield { text: "last" };
      },
    });
    const revocation = {
      isRevoked: () => {
        checks++;
        return false;
      },
    };
    await start({ replayStore: { claim: () => ++claims > 0 } }, { revocation });
    const answers = provingClient(protocol).serverStream({ orgId: "acme" })[Symbol.asyncIterator]();
    expect((await answers.next()).value?.text).toBe("first");
    for (let round = 1; round <= 3; round++) await clock.advance(RECHECK_MS);
    expect(checks).toBeGreaterThanOrEqual(4);
    gate.resolve();
    expect((await answers.next()).value?.text).toBe("last");
    expect((await answers.next()).done).toBe(true);
    expect(claims).toBe(1);
  });
});

it("E11: proofs name GET where Connect calls by GET, and one for POST does not do", async () => {
  await start({});
  const byGet = (proofs: DpopProofs) => {
    const interceptors = [bearerAuth(source, { dpop: proofs, clock })];
    const options = { baseUrl: server.url, httpVersion: "2", useHttpGet: true, interceptors } as const;
    return createClient(EchoService, createConnectTransport(options)).get({ orgId: "acme", text: "hi" });
  };
  expect(await byGet(dpopProofs({ key, clock, useHttpGet: true }))).toMatchObject({ subject: "alice" });
  await expect(byGet(dpop)).rejects.toMatchObject({ code: Code.Unauthenticated });
  expect([echo.calls(), refusals]).toEqual([1, ["ERR_PROOF_INVALID"]]);
});
