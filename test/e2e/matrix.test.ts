import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { explainAuthError } from "../../src/client.js";
import { createServerAuth, type ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, KINDS, type Kind } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { PROTOCOLS, type Protocol, type RpcServer, startRpcServer } from "../support/rpc-server.js";

/** A refusal as a client sees it: code, challenge, reason. */
type Refusal = readonly [Code, string, string];

const BEARER = 'Bearer realm="matrix"';
const REJECTED: Refusal = [Code.Unauthenticated, `${BEARER}, error="invalid_token"`, "TOKEN_REJECTED"];
const DENIED: Refusal = [Code.PermissionDenied, `${BEARER}, error="insufficient_scope"`, "ACCESS_DENIED"];

interface Row {
  readonly name: string;
  /** The token to send; undefined sends none. */
  readonly token: () => Promise<string | undefined>;
  /** The organisation that the request names. */
  readonly orgId?: string;
  readonly refusal?: Refusal;
}

let issuer: TestIssuer;
let impostor: TestIssuer;
let auth: ServerAuth;
const echo = createEchoService();

const ROWS: readonly Row[] = [
  { name: "no token", token: async () => undefined, refusal: [Code.Unauthenticated, BEARER, "CREDENTIALS_MISSING"] },
  { name: "a token signed by a stranger", token: () => impostor.mint(), refusal: REJECTED },
  {
    name: "an expired token",
    token: () => issuer.mint({ lifetimeSeconds: -60 }),
    refusal: [Code.Unauthenticated, `${BEARER}, error="invalid_token"`, "TOKEN_EXPIRED"],
  },
  { name: "another role", token: () => issuer.mint({ claims: { roles: ["guest"] } }), refusal: DENIED },
  { name: "another organisation", token: () => issuer.mint(), orgId: "other", refusal: DENIED },
  { name: "a good token", token: () => issuer.mint() },
];

beforeAll(async () => {
  issuer = await createTestIssuer();
  // The same "iss" and "kid", another key.
  impostor = await createTestIssuer();
  auth = createServerAuth({
    issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], keys: issuer.jwks() }],
    realm: "matrix",
  });
});

afterAll(async () => {
  await auth[Symbol.asyncDispose]();
});

beforeEach(() => echo.reset());

function describeMatrix(httpVersion: "1.1" | "2", protocols: readonly Protocol[], kinds: readonly Kind[]): void {
  describe.each(protocols)(`%s over HTTP/${httpVersion}`, (protocol) => {
    let server: RpcServer;
    beforeAll(async () => {
      server = await startRpcServer(httpVersion, auth.protect({ routes: echo.routes }));
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
    });

    describe.each(kinds)("%s", (kind) => {
      it.each(ROWS)("$name", async ({ token, orgId, refusal }) => {
        const client = createClient(EchoService, server.transport(protocol));
        const answer = callEcho(client, kind, await token(), orgId).catch((error: unknown) => ConnectError.from(error));
        if (refusal === undefined) {
          expect(await answer).toBe("alice");
          expect([echo.calls(), echo.delivered()]).toEqual([1, 1]);
          return;
        }
        const error = await answer;
        if (!(error instanceof ConnectError)) throw new Error("the call was answered");
        const [info] = error.findDetails(ErrorInfoSchema);
        expect([error.code, error.metadata.get("www-authenticate"), info?.reason]).toEqual(refusal);
        expect(info?.domain).toBe("latchkey");
        expect(explainAuthError(error)).toMatchObject({ reason: refusal[2], origin: "server" });
        // Handlers of request streams start before the first message is there, and are given none.
        const startsEarly = orgId !== undefined && (kind === "clientStream" || kind === "bidiStream");
        expect([echo.calls(), echo.delivered()]).toEqual([startsEarly ? 1 : 0, 0]);
      });
    });
  });
}

describeMatrix("2", PROTOCOLS, KINDS);
// gRPC needs HTTP/2, and so do bidirectional streams.
describeMatrix("1.1", ["connect", "grpc-web"], ["unary", "serverStream", "clientStream"]);
