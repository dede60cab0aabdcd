import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createServerAuth, type ServerAuth, type ServerAuthEvent } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createEchoService } from "../support/echo-service.js";
import { uploadUntilAnswered } from "../support/endless-upload.js";
import { exchangeRaw, exchangeRawHttp2, floodHttp1, formatHttp1Request, postHttp2 } from "../support/raw-http.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";

const PATH = "/latchkey.testing.v1.EchoService/Authenticated";
const UNARY = "/latchkey.testing.v1.EchoService/Unary";
const GET = "/latchkey.testing.v1.EchoService/Get?connect=v1&encoding=json&message=%7B%22orgId%22%3A%22acme%22%7D";
const HOST = "host: service.test";
const FLOOD_BYTES = 64 * 1024 * 1024;

let issuer: TestIssuer;
let auth: ServerAuth;
let http1: RpcServer;
let http2: RpcServer;
let authorization: string;
/** What the servers have told of. */
const events: ServerAuthEvent[] = [];
const echo = createEchoService();

beforeAll(async () => {
  issuer = await createTestIssuer();
  auth = createServerAuth({
    issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], keys: issuer.jwks() }],
    onEvent: (event) => events.push(event),
  });
  http1 = await startRpcServer("1.1", auth.protect({ routes: echo.routes }));
  http2 = await startRpcServer("2", auth.protect({ routes: echo.routes }));
  authorization = `authorization: Bearer ${await issuer.mint()}`;
});

afterAll(async () => {
  await http1[Symbol.asyncDispose]();
  await http2[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

beforeEach(() => echo.reset());

function formatPseudoHeaders(path: string): readonly (readonly [string, string])[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
  ];
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

async function expectAlive(): Promise<void> {
  const before = echo.calls();
  const answer = await exchangeRaw(http1.port, formatHttp1Request(PATH, [HOST, authorization]));
  expect([statusOf(answer), echo.calls() - before]).toEqual([200, 1]);
}

describe("a request whose authority no URL can be built from", () => {
  const badHosts = [
    "a b",
    "[",
    "[::1",
    "a:99999",
    "a:b",
    "1.2.3.999",
    "user@host",
    "a/b",
    "a?b",
    "a#b",
    "a\\b",
    "%zz",
    "",
  ];

  it.each(badHosts)("is answered with 400 over HTTP/1.1, with the Host %j", async (host) => {
    for (const path of [PATH, "/latchkey.testing.v1.EchoService/Public"]) {
      const answer = await exchangeRaw(http1.port, formatHttp1Request(path, [`host: ${host}`, authorization]));
      expect(statusOf(answer)).toBe(400);
    }
    expect(echo.calls()).toBe(0);
    await expectAlive();
  });

  it("is answered with 400 over HTTP/1.1 and HTTP/1.0 without Host, and with two", async () => {
    const requests = [
      formatHttp1Request(PATH, [authorization]),
      formatHttp1Request(PATH, [authorization], "1.0"),
      formatHttp1Request(PATH, [HOST, HOST, authorization]),
      formatHttp1Request(PATH, [HOST, "Host: evil.test", authorization]),
    ];
    for (const request of requests) expect(statusOf(await exchangeRaw(http1.port, request))).toBe(400);
    expect(echo.calls()).toBe(0);
    await expectAlive();
  });

  const type = ["content-type", "application/proto"] as const;

  it.each(badHosts)("is answered with 400 over HTTP/2, with the authority %j", async (authority) => {
    const request = [...formatPseudoHeaders(PATH), [":authority", authority], type] as const;
    // The HTTP/2 implementation of Node.js itself resets the stream for some of them.
    expect([400, -1]).toContain(await exchangeRawHttp2(http2.port, request));
    expect(echo.calls()).toBe(0);
  });

  it("is answered with 400 over HTTP/2 with another Host beside the authority, or two Hosts, or a bad one", async () => {
    const pseudo = formatPseudoHeaders("/latchkey.testing.v1.EchoService/Public");
    const send = (...headers: readonly (readonly [string, string])[]): Promise<number> =>
      exchangeRawHttp2(http2.port, [...pseudo, ...headers, type]);
    expect(await send([":authority", "a:99999"])).toBe(400);
    expect(await send([":authority", "a.test"], ["host", "b.test"])).toBe(400);
    expect(await send(["host", "a:99999"])).toBe(400);
    expect([400, -1]).toContain(await send(["host", "a.test"], ["host", "a.test"]));
    expect([400, -1]).toContain(await send());
    expect(echo.calls()).toBe(0);
    expect(await send([":authority", "a.test"])).toBe(200);
    expect(await send([":authority", "a.test"], ["host", "a.test"])).toBe(200);
    expect(await send(["host", "a.test"])).toBe(200);
  });
});

describe("the Authorization header", () => {
  const send = async (lines: readonly string[]): Promise<readonly [number, string | undefined]> => {
    const answer = await exchangeRaw(http1.port, formatHttp1Request(PATH, [HOST, ...lines]));
    return [statusOf(answer), /^www-authenticate: (.*)\r$/im.exec(answer)?.[1]];
  };
  const realm = 'Bearer realm="latchkey"';

  it("G1: takes the scheme in any case", async () => {
    for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
      expect(await send([authorization.replace("Bearer", scheme)])).toEqual([200, undefined]);
    }
  });

  it("G2: takes one token after one space or several, and nothing else", async () => {
    const token = authorization.slice("authorization: Bearer ".length);
    for (const value of [
      `Bearer\t${token}`,
      `Bearer${token}`,
      `Bearer "${token}"`,
      `Bearer ${token} x`,
      "Bearer",
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token},`,
      `Bearer  , ${token}`,
    ]) {
      expect(await send([`authorization: ${value}`])).toEqual([401, `${realm}, error="invalid_request"`]);
    }
    expect(await send([`authorization: Bearer   ${token}`])).toEqual([200, undefined]);
  });

  it("G3: refuses a second line, whichever of them is good", async () => {
    const bad = "Authorization: Bearer x.y.z";
    for (const lines of [
      [authorization, bad],
      [bad, authorization],
      [authorization, authorization],
    ]) {
      expect(await send(lines)).toEqual([401, `${realm}, error="invalid_request"`]);
    }
    expect(echo.calls()).toBe(0);
  });

  it("G3: refuses a second line over HTTP/2", async () => {
    const [, value = ""] = authorization.split(": ");
    const line = ["authorization", value] as const;
    const head = [
      ...formatPseudoHeaders(PATH),
      [":authority", "a.test"],
      ["content-type", "application/proto"],
    ] as const;
    expect(await exchangeRawHttp2(http2.port, [...head, line])).toBe(200);
    // 401 is none of the statuses that the exchange can name.
    expect(await exchangeRawHttp2(http2.port, [...head, line, line])).toBe(0);
    expect(echo.calls()).toBe(1);
  });

  it("G4: ignores a token in query, body and cookie: it is no bad token, but none", async () => {
    const token = authorization.slice("authorization: Bearer ".length);
    expect(await send([`cookie: access_token=${token}; authorization=Bearer ${token}`])).toEqual([401, realm]);
    const ask = async (path: string, init: RequestInit): Promise<readonly [number, string | null]> => {
      const { status, headers } = await fetch(`${http1.url}${path}`, init);
      return [status, headers.get("www-authenticate")];
    };
    const inQuery = `access_token=${token}`;
    const post = (type: string, body: string) => ({ method: "POST", headers: { "content-type": type }, body });
    expect(await ask(`${PATH}?${inQuery}`, post("application/json", "{}"))).toEqual([401, realm]);
    expect(await ask(`${GET}&${inQuery}`, {})).toEqual([401, realm]);
    const inBody = JSON.stringify({ access_token: token, authorization: `Bearer ${token}` });
    expect(await ask(PATH, post("application/json", inBody))).toEqual([401, realm]);
    expect(await ask(PATH, post("application/json", inQuery))).toEqual([401, realm]);
    // RFC 6750 section 2.2. No method takes forms, whoever sends them.
    expect(await ask(PATH, post("application/x-www-form-urlencoded", inQuery))).toEqual([415, null]);
    expect(echo.calls()).toBe(0);
  });

  it("G5: refuses a token of 60 KB, which HTTP/2 lets through, and tells nobody what it was", async () => {
    const startMs = performance.now();
    const token = "overlong".repeat(7_500);
    events.length = 0;
    const headers = { authorization: `Bearer ${token}`, "content-encoding": "identity" };
    expect(await postHttp2(`${http2.url}${UNARY}`, 64, Buffer.alloc(64), headers)).toBe(401);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    const told = inspect(events, { depth: null });
    expect(told).toContain("ERR_TOKEN_MALFORMED");
    expect(told).not.toContain("overlong");
  });

  it("G6: answers with a constant challenge, whatever the token holds", async () => {
    const token = await issuer.mint({ header: { kid: 'a", error="x' }, claims: { org: 'a"\r\nset-cookie: x' } });
    expect(await send([`authorization: Bearer ${token}`])).toEqual([401, `${realm}, error="invalid_token"`]);
  });

  it("G7: challenges for every other scheme", async () => {
    for (const value of ["Basic YTpi", "DPoP a.b.c", "Digest x", "x"]) {
      expect(await send([`authorization: ${value}`])).toEqual([401, `${realm}, error="invalid_request"`]);
    }
  });

  it("E11: does not take a token under the scheme DPoP", async () => {
    expect((await send([authorization.replace("Bearer", "DPoP")]))[0]).toBe(401);
  });
});

describe("a body without a token", () => {
  const bomb = gzipSync(Buffer.alloc(150 * 1024 * 1024));

  it("is not inflated: 150 MB in 146 KB of gzip cost nothing over HTTP/1.1", async () => {
    const head = [
      `POST ${UNARY} HTTP/1.1`,
      HOST,
      "content-type: application/proto",
      "content-encoding: gzip",
      `content-length: ${bomb.length}`,
    ].join("\r\n");
    const before = process.memoryUsage().rss;
    const startMs = performance.now();
    const answer = await exchangeRaw(http1.port, Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bomb]));
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(30 * 1024 * 1024);
    expect(statusOf(answer)).toBe(401);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
  });

  it("is not inflated: 150 MB in 146 KB of gzip cost nothing over HTTP/2", async () => {
    const before = process.memoryUsage().rss;
    const startMs = performance.now();
    const answer = await postHttp2(`${http2.url}${UNARY}`, bomb.length, bomb, { "content-encoding": "gzip" });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(30 * 1024 * 1024);
    expect(answer).toBe(401);
  });

  it("G9: is left in the socket: of 64 MB, less than 1 MB is taken over HTTP/1.1", async () => {
    const before = http1.bytesTaken();
    const answer = await floodHttp1(http1.port, UNARY, FLOOD_BYTES);
    expect(statusOf(answer)).toBe(401);
    expect(http1.bytesTaken() - before).toBeLessThan(1024 * 1024);
    expect(echo.calls()).toBe(0);
  });

  it("G9: is left in the socket: of 64 MB, less than 1 MB is taken over HTTP/2", async () => {
    const before = http2.bytesTaken();
    expect(await postHttp2(`${http2.url}${UNARY}`, FLOOD_BYTES, Buffer.alloc(64 * 1024))).toBe(401);
    expect(http2.bytesTaken() - before).toBeLessThan(1024 * 1024);
    expect(echo.calls()).toBe(0);
  });

  it.each(["1.1", "2"] as const)(
    "G9: is read by an interceptor without its gate up to the cap alone, over HTTP/%s",
    async (httpVersion) => {
      const readMaxBytes = 2 * 1024 * 1024;
      const options = { routes: echo.routes, interceptors: [auth.interceptor], readMaxBytes };
      await using server = await startRpcServer(httpVersion, options);
      expect(await uploadUntilAnswered(httpVersion, `${server.url}${UNARY}`)).toBe(429);
      expect(server.bytesTaken()).toBeGreaterThan(readMaxBytes);
      // What was on its way in the socket's buffers meanwhile.
      expect(server.bytesTaken()).toBeLessThan(readMaxBytes + 1024 * 1024);
      expect(echo.calls()).toBe(0);
    },
  );

  it("is capped at 4 MiB also with a token", async () => {
    const body = Buffer.concat([Buffer.from('{"text":"'), Buffer.alloc(4 * 1024 * 1024, "a"), Buffer.from('"}')]);
    const answer = await fetch(`${http1.url}${UNARY}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: authorization.slice("authorization: ".length) },
      body,
    });
    expect([answer.status, await answer.json()]).toEqual([
      429,
      expect.objectContaining({ code: "resource_exhausted" }),
    ]);
    expect(echo.calls()).toBe(0);
  });
});
