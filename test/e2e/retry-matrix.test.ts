import { getEventListeners, once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth } from "../../src/client.js";
import { toConnectError } from "../../src/connect-errors.js";
import { AccessDeniedError, KeysUnavailableError, TokenRejectedError } from "../../src/errors.js";
import { aborted } from "../../src/lib/aborted.js";
import { callEcho, KINDS, type Kind } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { PROTOCOLS, type Protocol, startRpcServer } from "../support/rpc-server.js";
import { createScriptedService } from "../support/scripted-service.js";
import { createScriptedSource } from "../support/scripted-source.js";

/** What a refusal does to the token, and whether a call that may be repeated is. */
interface Row {
  readonly name: string;
  readonly error: () => ConnectError;
  readonly repeated: boolean;
  readonly replaced: boolean;
}

const bare = (): ConnectError => new ConnectError("no", Code.Unauthenticated);
const ROWS: readonly Row[] = [
  {
    name: "an expired token",
    error: () => toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "")),
    repeated: true,
    replaced: true,
  },
  {
    name: "a challenge without an error",
    error: () => toConnectError(new TokenRejectedError("ERR_CREDENTIALS_MISSING", "")),
    repeated: true,
    replaced: true,
  },
  { name: "no challenge", error: bare, repeated: false, replaced: true },
  {
    name: "a malformed header",
    error: () => toConnectError(new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", "")),
    repeated: false,
    replaced: false,
  },
  {
    name: "permission_denied",
    error: () => toConnectError(new AccessDeniedError("ERR_ROLE_MISSING", "")),
    repeated: false,
    replaced: false,
  },
  {
    name: "unavailable",
    error: () => toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "")),
    repeated: false,
    replaced: false,
  },
];

const REPEATABLE: ReadonlySet<Kind> = new Set(["unary", "serverStream"]);
const FIRST = "Bearer token-1";

const service = createScriptedService();
/** Tokens as they left the interceptor under test, in order. */
const sent: (string | null)[] = [];
/** What the front of the server does in place of the service; gives true when it has answered. */
let front: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => boolean = () => false;
let server: http2.Http2Server;
let baseUrl: string;

beforeAll(async () => {
  const handler = connectNodeAdapter({ routes: service.routes });
  server = http2.createServer((req, res) => {
    if (!front(req.stream, req.headers)) handler(req, res);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => void server.close());

beforeEach(() => {
  service.calls.length = 0;
  service.handled.length = 0;
  sent.length = 0;
  service.gate = () => {};
  service.handle = () => {};
  front = () => false;
});

function connect(protocol: Protocol, url = baseUrl, ...inner: Interceptor[]): Client<typeof EchoService> {
  const note: Interceptor = (next) => (req) => {
    sent.push(req.header.get("authorization"));
    return next(req);
  };
  const interceptors = [bearerAuth(createScriptedSource()), note, ...inner];
  const transports: Record<Protocol, () => Transport> = {
    connect: () => createConnectTransport({ baseUrl: url, httpVersion: "2", interceptors }),
    grpc: () => createGrpcTransport({ baseUrl: url, interceptors }),
    "grpc-web": () => createGrpcWebTransport({ baseUrl: url, httpVersion: "2", interceptors }),
  };
  return createClient(EchoService, transports[protocol]());
}

/** Refuses the first call, in one of the places where a refusal can come to light. */
const PLACES: Readonly<Record<string, (protocol: Protocol, error: () => ConnectError) => Client<typeof EchoService>>> =
  {
    "by the gate"(protocol, error) {
      service.gate = ({ authorization }) => {
        if (authorization === FIRST) throw error();
      };
      return connect(protocol);
    },
    "in place of the response"(protocol, error) {
      return connect(protocol, baseUrl, (next) => (req) => {
        if (req.header.get("authorization") === FIRST && sent.length === 1) throw error();
        return next(req);
      });
    },
  };

const codeOf = (call: Promise<unknown>): Promise<Code | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );

describe.each(PROTOCOLS)("the retry rule over %s", (protocol) => {
  describe.each(Object.keys(PLACES))("refused %s", (place) => {
    describe.each(KINDS)("%s", (kind) => {
      it.each(ROWS)("K9: $name", async ({ error, repeated, replaced }) => {
        const client = PLACES[place]?.(protocol, error) ?? connect(protocol);
        const again = repeated && REPEATABLE.has(kind);
        expect(await codeOf(callEcho(client, kind, undefined))).toBe(again ? undefined : error().code);
        expect(sent).toEqual(again ? [FIRST, "Bearer token-2"] : [FIRST]);
        expect(service.handled).toHaveLength(again ? 1 : 0);
        service.gate = () => {};
        await callEcho(client, kind, undefined);
        expect(sent.at(-1)).toBe(replaced ? "Bearer token-2" : FIRST);
      });
    });
  });

  it.each(KINDS)("K9: a second refusal of a %s call goes to the caller, and there is no third", async (kind) => {
    service.gate = () => {
      throw toConnectError(new TokenRejectedError("ERR_TOKEN_SIGNATURE", ""));
    };
    expect(await codeOf(callEcho(connect(protocol), kind, undefined))).toBe(Code.Unauthenticated);
    expect(sent).toHaveLength(REPEATABLE.has(kind) ? 2 : 1);
    expect(service.handled).toEqual([]);
  });

  it("K9: a refusal by something in front of the server, with a challenge of its own", async () => {
    front = (stream, headers) => {
      if (headers.authorization !== FIRST) return false;
      stream.respond({
        ":status": 401,
        "www-authenticate": 'Bearer error="invalid_token"',
        "content-type": "text/plain",
      });
      stream.end("no");
      return true;
    };
    for (const kind of KINDS) {
      sent.length = 0;
      const code = await codeOf(callEcho(connect(protocol), kind, undefined));
      expect([kind, code, sent]).toEqual(
        REPEATABLE.has(kind) ? [kind, undefined, [FIRST, "Bearer token-2"]] : [kind, Code.Unauthenticated, [FIRST]],
      );
    }
  });

  it("K9: leaving a repeated stream early ends its call and leaves nothing behind", async () => {
    const ended = Promise.withResolvers<void>();
    const echo = createEchoService({
      async *serverStream({ text }, { requestHeader, signal }) {
        if (requestHeader.get("authorization") === FIRST) {
          throw toConnectError(new TokenRejectedError("ERR_TOKEN_REVOKED", ""));
        }
        yield { text };
        await aborted(signal);
        ended.resolve();
      },
    });
    await using own = await startRpcServer("2", { routes: echo.routes });
    const controller = new AbortController();
    const client = connect(protocol, own.url);
    for await (const { text } of client.serverStream({ text: "hi" }, { signal: controller.signal })) {
      expect(text).toBe("hi");
      break;
    }
    controller.abort();
    await ended.promise;
    expect(sent).toEqual([FIRST, "Bearer token-2"]);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });
});

it("K9: repeats a gRPC stream that is refused by trailers alone", async () => {
  front = (stream, headers) => {
    if (headers.authorization !== FIRST) return false;
    stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc+proto",
        "grpc-status": "16",
        "www-authenticate": 'Bearer error="invalid_token"',
      },
      { endStream: true },
    );
    return true;
  };
  await callEcho(connect("grpc"), "serverStream", undefined);
  expect(sent).toEqual([FIRST, "Bearer token-2"]);
});
