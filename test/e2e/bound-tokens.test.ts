import { createHash, X509Certificate } from "node:crypto";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { Code, ConnectError, createClient, createContextValues, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { clientCertificateKey, createServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, KINDS, type Kind } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { PROTOCOLS, type Protocol } from "../support/rpc-server.js";
import { type Certified, createAuthority } from "../support/tls-authority.js";

const HOST = "127.0.0.1";
const REFUSED: readonly unknown[] = [Code.Unauthenticated, 'Bearer realm="latchkey", error="invalid_token"'];
const PROXY_HEADER = "x-client-certificate";

const authority = createAuthority();
const serverCertificate = authority.certify({ hosts: [HOST] });
const [own, other] = [authority.certify({ subject: "own" }), authority.certify({ subject: "other" })];
const echo = createEchoService();

let issuer: TestIssuer;
let close: () => Promise<void>;
beforeAll(async () => {
  issuer = await createTestIssuer();
});
beforeEach(() => echo.reset());
afterEach(() => close());

function thumbprintOf({ cert }: Certified): string {
  return createHash("sha256").update(new X509Certificate(cert).raw).digest("base64url");
}

/** Mints a token that is bound to a certificate. */
function mintFor(certified: Certified): Promise<string> {
  return issuer.mint({ claims: { cnf: { "x5t#S256": thumbprintOf(certified) } } });
}

interface TlsServer {
  readonly port: number;
  /** Whether the TLS session was resumed, by connection. */
  readonly reused: readonly boolean[];
  /** A transport whose connection shows a certificate, or none, or resumes a session. */
  transport(protocol: Protocol, certificate?: Certified, session?: Buffer): Transport;
}

/** Starts a server that asks for certificates and takes any; `isBehindProxy` believes a header instead. */
async function start(
  httpVersion: "1.1" | "2",
  { isBehindProxy = false, requireBoundTokens = false } = {},
): Promise<TlsServer> {
  const auth = createServerAuth({ issuers: [{ ...issuer.trusted(), requireBoundTokens }] });
  const handler = connectNodeAdapter(
    auth.protect({
      routes: echo.routes,
      ...(isBehindProxy && {
        contextValues: ({ headers }: { readonly headers: Record<string, string | string[] | undefined> }) =>
          createContextValues().set(clientCertificateKey, String(headers[PROXY_HEADER] ?? "")),
      }),
    }),
  );
  const { cert, key } = serverCertificate;
  const options = { cert, key, requestCert: true, rejectUnauthorized: false };
  const server = httpVersion === "2" ? createSecureServer(options, handler) : createServer(options, handler);
  const sockets = new Set<Socket>();
  const reused: boolean[] = [];
  server.on("connection", (socket: Socket) => void sockets.add(socket));
  server.on("secureConnection", (socket: TLSSocket) => void reused.push(socket.isSessionReused()));
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  const baseUrl = `https://${HOST}:${port}`;
  close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
    await auth[Symbol.asyncDispose]();
  };
  return {
    port,
    reused,
    transport(protocol, certificate, session) {
      const nodeOptions = {
        ca: authority.cert,
        ...(certificate && { cert: certificate.cert, key: certificate.key }),
        ...(session && { session }),
      };
      if (protocol === "grpc") return createGrpcTransport({ baseUrl, nodeOptions });
      const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
      return httpVersion === "2"
        ? create({ baseUrl, httpVersion, nodeOptions })
        : create({ baseUrl, httpVersion, nodeOptions: { ...nodeOptions, agent: false } });
    },
  };
}

/** Calls with a token, and gives the subject that the handler saw, or else code and challenge of the refusal. */
async function call(transport: Transport, token: string, kind: Kind = "unary"): Promise<unknown> {
  try {
    return await callEcho(createClient(EchoService, transport), kind, token);
  } catch (error) {
    const { code, metadata } = ConnectError.from(error);
    return [code, metadata.get("www-authenticate")];
  }
}

function describeMatrix(httpVersion: "1.1" | "2", protocols: readonly Protocol[], kinds: readonly Kind[]): void {
  describe.each(protocols)(`a token bound to a certificate, %s over HTTP/${httpVersion}`, (protocol) => {
    it("E11: is accepted over a connection with that certificate, and over no other", async () => {
      const { transport } = await start(httpVersion);
      const token = await mintFor(own);
      for (const kind of kinds) {
        expect(await call(transport(protocol, own), token, kind)).toBe("alice");
        expect(echo.calls()).toBe(1);
        expect(await call(transport(protocol, other), token, kind)).toEqual(REFUSED);
        expect(await call(transport(protocol), token, kind)).toEqual(REFUSED);
        expect(echo.calls()).toBe(1);
        echo.reset();
      }
    });
  });
}

describeMatrix("2", PROTOCOLS, KINDS);
describeMatrix("1.1", ["connect", "grpc-web"], ["unary", "serverStream", "clientStream"]);

describe.each(["1.1", "2"] as const)("certificates over HTTP/%s", (httpVersion) => {
  it("E11: are known again when a TLS session is resumed", async () => {
    const server = await start(httpVersion);
    const alpn = httpVersion === "2" ? "h2" : "http/1.1";
    const openSession = async (certificate: Certified): Promise<Buffer> => {
      const { cert, key } = certificate;
      const options = { host: HOST, port: server.port, ca: authority.cert, cert, key, ALPNProtocols: [alpn] };
      const socket = connect(options);
      try {
        return await new Promise<Buffer>((resolve, reject) => {
          socket.once("session", resolve).once("error", reject).resume();
        });
      } finally {
        socket.destroy();
      }
    };
    const token = await mintFor(own);
    // Without a certificate of its own: that of the session's beginning counts.
    expect(await call(server.transport("connect", undefined, await openSession(own)), token)).toBe("alice");
    expect(await call(server.transport("connect", undefined, await openSession(other)), token)).toEqual(REFUSED);
    expect(server.reused).toEqual([false, true, false, true]);
  });

  it("E11: are those that a proxy tells of, where the application says so", async () => {
    const { transport } = await start(httpVersion, { isBehindProxy: true });
    const token = await mintFor(own);
    const callThrough = async (certificate: Certified | undefined, shown: string | undefined): Promise<unknown> => {
      const client = createClient(EchoService, transport("connect", certificate));
      const headers = { authorization: `Bearer ${token}`, ...(shown !== undefined && { [PROXY_HEADER]: shown }) };
      return client.unary({ orgId: "acme" }, { headers }).then(
        ({ subject }) => subject,
        (error: unknown) => ConnectError.from(error).code,
      );
    };
    expect(await callThrough(undefined, thumbprintOf(own))).toBe("alice");
    // What the application says takes the place of the connection's, the proxy's own included.
    expect(await callThrough(own, thumbprintOf(other))).toBe(Code.Unauthenticated);
    expect(await callThrough(own, undefined)).toBe(Code.Unauthenticated);
  });

  it("do nothing for tokens that are bound to none", async () => {
    const { transport } = await start(httpVersion);
    const token = await issuer.mint();
    expect(await call(transport("connect", own), token)).toBe("alice");
    expect(await call(transport("connect"), token)).toBe("alice");
  });

  it("E11: are demanded of every token with requireBoundTokens", async () => {
    const { transport } = await start(httpVersion, { requireBoundTokens: true });
    expect(await call(transport("connect", own), await issuer.mint())).toEqual(REFUSED);
    expect(await call(transport("connect", own), await mintFor(own))).toBe("alice");
  });
});
