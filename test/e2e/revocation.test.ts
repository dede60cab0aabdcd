import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { ServerAuth } from "../../src/server.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createRevocationList, type Revocation, type RevocationList } from "../../src/verify.js";
import { callEcho, items, KINDS } from "../support/echo-calls.js";
import { createEchoService, type EchoFixture } from "../support/echo-service.js";
import { PROTOCOLS, type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

const CHALLENGE = 'Bearer realm="latchkey", error="invalid_token"';
const RECHECK_MS = 30_000;

describe.each(PROTOCOLS)("a revoked token over %s", (protocol) => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let list: RevocationList;
  let isDown: boolean;
  let auth: ServerAuth;
  let server: RpcServer;
  let echo: EchoFixture;
  /** Streams whose handlers have begun, and those whose handlers have ended. */
  let begun: number;
  let ended: number;

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer({ clock });
    list = createRevocationList({ clock });
    isDown = false;
    begun = 0;
    ended = 0;
    const revocation: Revocation = {
      async isRevoked(query) {
        if (isDown) throw new Error("ECONNREFUSED");
        return list.isRevoked(query);
      },
    };
    auth = createAuthFor(issuer, { clock, revocation, streams: { recheckMs: RECHECK_MS } });
    echo = createEchoService({
      async *serverStream(_, context) {
        yield { text: "first" };
        await hang(context);
      },
      async clientStream(_, context) {
        await hang(context);
        return {};
      },
      async *bidiStream(_, context) {
        yield { text: "first" };
        await hang(context);
      },
    });
    server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await auth[Symbol.asyncDispose]();
  });

  /** What a handler does that waits for something that does not come. */
  async function hang({ signal }: HandlerContext): Promise<void> {
    begun++;
    try {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      ended++;
    }
  }
  const failureOf = (call: Promise<unknown>): Promise<ConnectError> =>
    call.then(
      () => {
        throw new Error("the call was answered");
      },
      (error: unknown) => ConnectError.from(error),
    );
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await clock.advance(0);
  };
  const connect = () => createClient(EchoService, server.transport(protocol));

  it.each(KINDS)("E12: is refused from the next call on: %s", async (kind) => {
    const token = await issuer.mint({ claims: { jti: "token-1" } });
    const client = connect();
    expect((await client.unary({ orgId: "acme" }, { headers: { authorization: `Bearer ${token}` } })).subject).toBe(
      "alice",
    );
    list.revoke({ issuer: issuer.issuer, jti: "token-1" });
    echo.reset();
    const error = await failureOf(callEcho(client, kind, token));
    expect([error.code, error.metadata.get("www-authenticate")]).toEqual([Code.Unauthenticated, CHALLENGE]);
    expect([echo.calls(), begun]).toEqual([0, 0]);
  });

  it.each(KINDS)("E12: is refused as unavailable, without a challenge, while nobody can say: %s", async (kind) => {
    const token = await issuer.mint();
    isDown = true;
    const error = await failureOf(callEcho(connect(), kind, token));
    expect([error.code, error.metadata.get("www-authenticate")]).toEqual([Code.Unavailable, null]);
    expect([echo.calls(), begun]).toEqual([0, 0]);
  });

  it.each<readonly [string, Code, () => void]>([
    [
      "revoked",
      Code.Unauthenticated,
      () => list.revoke({ issuer: issuer.issuer, subject: "alice", issuedBefore: 1e11 }),
    ],
    ["beyond anybody's knowledge", Code.Unavailable, () => (isDown = true)],
  ])(
    "E12: ends running streams of every kind within the time between two checks once it is %s",
    async (_, code, revoke) => {
      const client = connect();
      const options = { headers: { authorization: `Bearer ${await issuer.mint()}` } };
      const message = { orgId: "acme", text: "hi" };
      let over = false;
      const failures = Promise.all([
        failureOf(drain(client.serverStream(message, options))),
        failureOf(client.clientStream(items(message), options)),
        failureOf(drain(client.bidiStream(items(message), options))),
      ]).finally(() => {
        over = true;
      });
      await until(() => begun === 3);
      await clock.advance(3 * RECHECK_MS);
      expect([over, ended]).toEqual([false, 0]);
      revoke();
      await clock.advance(RECHECK_MS);
      const errors = await failures;
      expect(errors.map((error) => error.code)).toEqual([code, code, code]);
      const challenge = code === Code.Unauthenticated ? CHALLENGE : null;
      for (const { metadata } of errors) expect(metadata.get("www-authenticate")).toBe(challenge);
      expect(ended).toBe(3);
      await until(() => clock.pendingTimers === 0);
    },
  );
});

async function drain(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers);
}
