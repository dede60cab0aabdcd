import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWebApp, type WebAppOptions } from "../../../src/app/server/web-app.js";

describe("createWebApp()", () => {
  const originals = [globalThis.Request, globalThis.Response];
  const failures: unknown[] = [];
  let server: Server;
  let url: string;
  let options: { -readonly [Name in keyof WebAppOptions]: WebAppOptions[Name] };

  beforeEach(async () => {
    options = {
      issuerEndpoints: async () => new Response("issuer"),
      isReady: async () => true,
      onError: (error) => void failures.push(error),
    };
    failures.length = 0;
    server = createServer(
      createWebApp({
        issuerEndpoints: (request) => options.issuerEndpoints(request),
        jwksAdmin: async (request) => options.jwksAdmin?.(request) ?? new Response("no admin"),
        isReady: () => options.isReady(),
        onError: (error) => options.onError(error),
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function ask(path: string, init?: RequestInit): Promise<[status: number, body: string]> {
    const response = await fetch(url + path, init);
    return [response.status, await response.text()];
  }

  it("lives whether or not it is ready", async () => {
    options.isReady = async () => false;
    expect(await ask("/healthz")).toEqual([200, '{"status":"ok"}']);
    expect(await ask("/readyz")).toEqual([503, '{"status":"not ready"}']);
    options.isReady = async () => true;
    expect(await ask("/readyz")).toEqual([200, '{"status":"ready"}']);
  });

  it("asks anew each time whether calls can be served", async () => {
    let asked = 0;
    options.isReady = async () => ++asked % 2 === 0;
    expect([await ask("/readyz"), await ask("/readyz")].map(([status]) => status)).toEqual([503, 200]);
  });

  it("hands the issuer every request under /.well-known/ as it came, and its answer back", async () => {
    const seen: unknown[] = [];
    options.issuerEndpoints = async (request) => {
      const { method, headers } = request;
      seen.push([method, new URL(request.url).pathname, headers.get("if-none-match")]);
      return new Response(null, { status: 304, headers: { etag: '"1"' } });
    };
    const response = await fetch(`${url}/.well-known/jwks.json`, { headers: { "if-none-match": '"1"' } });
    expect([response.status, response.headers.get("etag")]).toEqual([304, '"1"']);
    await ask("/.well-known/other/deep", { method: "POST", body: "x" });
    expect(seen).toEqual([
      ["GET", "/.well-known/jwks.json", '"1"'],
      ["POST", "/.well-known/other/deep", null],
    ]);
  });

  it("hands the issuer nothing from elsewhere", async () => {
    let asked = 0;
    options.issuerEndpoints = async () => new Response(String(asked++));
    for (const path of [
      "/",
      "/well-known/jwks.json",
      "/x/.well-known/jwks.json",
      "//.well-known/jwks.json",
      "/healthz/",
    ]) {
      expect((await ask(path))[0], path).toBe(404);
    }
    expect((await ask("/healthz", { method: "POST" }))[0]).toBe(404);
    expect(asked).toBe(0);
  });

  it("hands operators' requests on as they came, with their body, and the answer back", async () => {
    const seen: unknown[] = [];
    options.jwksAdmin = async (request) => {
      seen.push([request.method, new URL(request.url).pathname, await request.text()]);
      return new Response(null, { status: 204 });
    };
    expect(await ask("/admin/jwks/providers/a/b%2Fc?x=1", { method: "PUT", body: "{}" })).toEqual([204, ""]);
    await ask("/admin/jwks/providers", { method: "OPTIONS" });
    expect(seen).toEqual([
      ["PUT", "/admin/jwks/providers/a/b%2Fc", "{}"],
      ["OPTIONS", "/admin/jwks/providers", ""],
    ]);
    for (const path of ["/admin", "/admin/", "/admin/jwksx", "/admin%2Fjwks/providers", "/Admin/jwks/providers"]) {
      expect((await ask(path))[0], path).toBe(404);
    }
    expect(seen).toHaveLength(2);
  });

  it("has nothing for operators where it is told nothing", async () => {
    const { issuerEndpoints, isReady, onError } = options;
    const bare = createServer(createWebApp({ issuerEndpoints, isReady, onError }));
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    const { port } = bare.address() as AddressInfo;
    expect((await fetch(`http://127.0.0.1:${port}/admin/jwks/providers`)).status).toBe(404);
    bare.closeAllConnections();
    await new Promise((resolve) => bare.close(resolve));
  });

  it("takes little of a body that nobody wants, and answers all the same", async () => {
    options.jwksAdmin = async () => new Response("no", { status: 401 });
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const client = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
    client.on("error", () => {});
    const [socket] = await accepted;
    const closed = once(socket, "close");
    client.write("PUT /admin/jwks/providers/a/b HTTP/1.1\r\nhost: a.test\r\ncontent-length: 50000000\r\n\r\n");
    client.write(Buffer.alloc(20_000_000));
    const [answer] = (await once(client, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer.toString()).toMatch(/\r\nconnection: close\r\n/i);
    await closed;
    expect(socket.bytesRead).toBeLessThan(1_000_000);
    client.destroy();
  });

  it("keeps the connection of a request that was read to its end", async () => {
    options.jwksAdmin = async (request) => new Response(await request.text());
    for (const init of [{}, { method: "PUT", body: "small" }]) {
      const response = await fetch(`${url}/admin/jwks/providers`, init);
      await response.text();
      expect(response.headers.get("connection")).toBe("keep-alive");
    }
  });

  it("tells of what fails, and answers without saying what", async () => {
    const failure = new Error("the key store is gone");
    options.issuerEndpoints = () => Promise.reject(failure);
    options.isReady = () => Promise.reject(failure);
    for (const path of ["/.well-known/jwks.json", "/readyz"]) {
      expect(await ask(path)).toEqual([500, '{"status":"failed"}']);
    }
    expect(failures).toEqual([failure, failure]);
  });

  it("replaces no class that other parts of the process use", async () => {
    await ask("/healthz");
    expect([globalThis.Request, globalThis.Response]).toEqual(originals);
  });
});
