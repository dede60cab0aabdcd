import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createServerAuth, type ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing.js";
import { startChildScript } from "../support/child-script.js";
import { createEchoService } from "../support/echo-service.js";
import { startExpress, startFastify } from "../support/framework-servers.js";
import { exchangeRaw, exchangeRawHttp2, floodHttp1, formatHttp1Request, postHttp2 } from "../support/raw-http.js";
import type { RpcServer } from "../support/rpc-server.js";
import { UNCOVERED, uncoveredRoutes } from "../support/uncovered-routes.js";

const SERVICE = "/latchkey.testing.v1.EchoService";
const PATH = `${SERVICE}/Authenticated`;
const GET = `${SERVICE}/Get?connect=v1&encoding=json&message=%7B%22orgId%22%3A%22acme%22%7D`;
const HOST = "host: service.test";
const CHALLENGE = 'Bearer realm="latchkey"';
const FLOOD_BYTES = 64 * 1024 * 1024;
const echo = createEchoService();

let issuer: TestIssuer;
/** `Bearer` and a good token. */
let authorization: string;
let auth: ServerAuth;
/** Trusts an issuer whose keys never come. */
let waiting: ServerAuth;

beforeAll(async () => {
  issuer = await createTestIssuer();
  authorization = `Bearer ${await issuer.mint()}`;
  const { keys: _keys, ...trusted } = issuer.trusted();
  auth = createServerAuth({ issuers: [issuer.trusted()] });
  waiting = createServerAuth({ issuers: [{ ...trusted, findKey: () => new Promise(() => {}) }] });
});

afterAll(async () => {
  await auth[Symbol.asyncDispose]();
  await waiting[Symbol.asyncDispose]();
});

beforeEach(() => echo.reset());

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

describe.each([
  ["connect-fastify", (by: ServerAuth) => startFastify("1.1", by, echo.routes)],
  ["connect-express", (by: ServerAuth) => startExpress(by, echo.routes)],
] as const)("%s over HTTP/1.1", (_, start) => {
  let server: RpcServer;

  beforeAll(async () => {
    server = await start(auth);
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  async function expectAlive(): Promise<void> {
    const lines = [HOST, `authorization: ${authorization}`];
    const answer = await exchangeRaw(server.port, formatHttp1Request(PATH, lines));
    expect([statusOf(answer), echo.calls()]).toEqual([200, 1]);
  }

  it.each(["a b", "[", "[::1", "a:99999", "1.2.3.999", "user@host", "a/b", "a?b", "a\\b", "%zz", ""])(
    "answers 400 to the Host %j",
    async (host) => {
      const lines = [`host: ${host}`, `authorization: ${authorization}`];
      for (const path of [PATH, `${SERVICE}/Public`]) {
        expect(statusOf(await exchangeRaw(server.port, formatHttp1Request(path, lines)))).toBe(400);
      }
      expect(echo.calls()).toBe(0);
      await expectAlive();
    },
  );

  it("answers 400 without a Host, and with two", async () => {
    const credentials = `authorization: ${authorization}`;
    for (const request of [
      formatHttp1Request(PATH, [credentials]),
      formatHttp1Request(PATH, [credentials], "1.0"),
      formatHttp1Request(PATH, [HOST, HOST, credentials]),
      formatHttp1Request(PATH, [HOST, "Host: evil.test", credentials]),
    ]) {
      expect(statusOf(await exchangeRaw(server.port, request))).toBe(400);
    }
    expect(echo.calls()).toBe(0);
    await expectAlive();
  });

  it("G3: refuses a second Authorization line, whichever of them is good", async () => {
    const good = `authorization: ${authorization}`;
    const bad = "Authorization: Bearer x.y.z";
    for (const lines of [
      [good, bad],
      [bad, good],
      [good, good],
    ]) {
      const answer = await exchangeRaw(server.port, formatHttp1Request(PATH, [HOST, ...lines]));
      expect(statusOf(answer)).toBe(401);
      expect(answer).toContain(`${CHALLENGE}, error="invalid_request"`);
    }
    expect(echo.calls()).toBe(0);
  });

  it("G9: leaves a body without a token in the socket: of 64 MB, less than 1 MB is taken", async () => {
    const before = server.bytesTaken();
    const answer = await floodHttp1(server.port, `${SERVICE}/Unary`, FLOOD_BYTES);
    expect(statusOf(answer)).toBe(401);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
    expect(echo.calls()).toBe(0);
  });

  it("G9: leaves a body in the socket that the method does not take at all", async () => {
    const before = server.bytesTaken();
    const answer = await floodHttp1(server.port, `${SERVICE}/Unary`, FLOOD_BYTES, "application/connect+proto");
    expect(statusOf(answer)).toBe(415);
    expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
  });

  it("answers deadline_exceeded when the deadline passes in the gate", async () => {
    await using slow = await start(waiting);
    const response = await fetch(`${slow.url}${PATH}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-timeout-ms": "20", authorization },
      body: "{}",
    });
    expect(await response.json()).toMatchObject({ code: "deadline_exceeded" });
    expect(echo.calls()).toBe(0);
  });

  it("F8: guards HTTP GET", async () => {
    const refused = await fetch(`${server.url}${GET}`);
    expect([refused.status, refused.headers.get("www-authenticate"), echo.calls()]).toEqual([401, CHALLENGE, 0]);
    const admitted = await fetch(`${server.url}${GET}`, { headers: { authorization } });
    expect([admitted.status, await admitted.json()]).toEqual([200, { subject: "alice" }]);
  });
});

describe("a server with methods that have no policy", () => {
  const problems = UNCOVERED.map((method) => `\n- ${method} has no policy`).join("");

  it("F4: does not start with connect-express, and the error names each", async () => {
    await expect(startExpress(auth, uncoveredRoutes)).rejects.toThrow(problems);
  });

  it("F4: does not start with connect-fastify, whose plugins end the process by what they throw", async () => {
    await using script = startChildScript("fastify-without-policy.ts", []);
    expect(JSON.parse(await script.nextLine())).toEqual(["uncaught exception", expect.stringContaining(problems)]);
  });
});

describe("connect-fastify over HTTP/2", () => {
  let server: RpcServer;
  const type = ["content-type", "application/proto"] as const;

  beforeAll(async () => {
    server = await startFastify("2", auth, echo.routes);
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  function send(path: string, ...headers: readonly (readonly [string, string])[]): Promise<number> {
    const pseudo = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path],
    ] as const;
    return exchangeRawHttp2(server.port, [...pseudo, ...headers, type]);
  }

  it.each(["a b", "[", "a:99999", "1.2.3.999", "user@host", "a\\b", "%zz", ""])(
    "answers 400 to the authority %j",
    async (authority) => {
      // The HTTP/2 implementation of Node.js itself resets the stream for some of them.
      expect([400, -1]).toContain(await send(`${SERVICE}/Public`, [":authority", authority]));
      expect(echo.calls()).toBe(0);
      expect(await send(`${SERVICE}/Public`, [":authority", "a.test"])).toBe(200);
    },
  );

  it("answers 400 with another Host beside the authority, two Hosts, or none", async () => {
    const path = `${SERVICE}/Public`;
    expect(await send(path, [":authority", "a.test"], ["host", "b.test"])).toBe(400);
    expect([400, -1]).toContain(await send(path, ["host", "a.test"], ["host", "a.test"]));
    expect([400, -1]).toContain(await send(path));
    expect(echo.calls()).toBe(0);
  });

  it("G3: refuses a second Authorization line", async () => {
    const line = ["authorization", authorization] as const;
    expect(await send(PATH, [":authority", "a.test"], line)).toBe(200);
    // 401 is none of the statuses that the exchange can name.
    expect(await send(PATH, [":authority", "a.test"], line, line)).toBe(0);
    expect(echo.calls()).toBe(1);
  });

  it("G9: leaves a body without a token in the socket: of 64 MB, less than 1 MB is taken", async () => {
    const before = server.bytesTaken();
    expect(await postHttp2(`${server.url}${SERVICE}/Unary`, FLOOD_BYTES, Buffer.alloc(64 * 1024))).toBe(401);
    expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
    expect(echo.calls()).toBe(0);
  });
});
