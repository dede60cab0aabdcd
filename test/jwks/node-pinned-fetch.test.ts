import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type LookupFunction } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { type PinnedFetch, type PinnedFetchOptions, pinnedFetch } from "../../src/jwks/node-pinned-fetch.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { startChildScript } from "../support/child-script.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { type Authority, type Certified, createAuthority, createKeyPair } from "../support/tls-authority.js";

const HOSTS = ["127.0.0.1", "idp.example"];
const NO_KEY_PINNED = {
  name: "TypeError",
  cause: { message: "No key on the path of the server's certificate is pinned" },
};
const anyPin = (): string => createAuthority().pin;

let root: Authority;
let own: Certified;
let server: JwksServer;
let opened: PinnedFetch[];

beforeEach(async () => {
  root = createAuthority();
  own = root.certify({ hosts: HOSTS });
  server = await startJwksServer({}, own);
  opened = [];
});
afterEach(async () => {
  for (const fetch of opened) await fetch[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

function open(options: PinnedFetchOptions): PinnedFetch {
  const fetch = pinnedFetch(options);
  opened.push(fetch);
  return fetch;
}

/** Trusts the authority of the test, and pins these keys and one that nobody has. */
function openPinned(...pins: readonly string[]): PinnedFetch {
  return open({ ca: root.cert, spki: [...pins, anyPin()] });
}

async function read(fetch: PinnedFetch, url = server.url): Promise<unknown> {
  return (await fetch(url, {})).json();
}

describe("pinnedFetch() with pins", () => {
  it("I4: reads from a server with a pinned key, its own or that of an authority", async () => {
    expect(await read(openPinned(own.pin))).toEqual({ keys: [] });
    expect(await read(openPinned(root.pin))).toEqual({ keys: [] });
    expect(await read(open({ ca: root.cert, spki: [own.pin], allowMissingBackupPin: true }))).toEqual({ keys: [] });
    expect(server.hits).toBe(3);
  });

  it("I4: sends nothing to a server without one", async () => {
    const fetch = open({ ca: root.cert, spki: [anyPin(), anyPin()] });
    await expect(read(fetch)).rejects.toMatchObject(NO_KEY_PINNED);
    await expect(read(fetch)).rejects.toMatchObject(NO_KEY_PINNED);
    expect(server.connections).toBe(2);
    expect(server.hits).toBe(0);
  });

  it("I4: makes the keys of such a server unavailable", async () => {
    using jwks = createJwks(server.url, { fetch: open({ ca: root.cert, spki: [anyPin(), anyPin()] }), retries: 0 });
    await expect(jwks.getKey({ kid: "a", alg: "ES256" })).rejects.toMatchObject({
      name: "KeysUnavailableError",
      code: "ERR_KEYS_UNAVAILABLE",
    });
    expect(server.hits).toBe(0);
  });

  it("I4: serves a key cache", async () => {
    const issuer = await createTestIssuer();
    server.answer({ body: issuer.jwks() });
    using jwks = createJwks(server.url, { fetch: openPinned(root.pin) });
    expect(await jwks.getKey({ kid: "test-key-1", alg: "ES256" })).toBeInstanceOf(CryptoKey);
  });

  it("I4: goes on with the backup pin when the server changes its key, and refuses any other", async () => {
    const backup = createKeyPair();
    const next = root.certify({ hosts: HOSTS, keys: backup });
    const fetch = open({ ca: root.cert, spki: [own.pin, next.pin] });
    await read(fetch);
    server.identify(next);
    server.disconnect();
    expect(await read(fetch)).toEqual({ keys: [] });
    server.identify(root.certify({ hosts: HOSTS }));
    server.disconnect();
    await expect(read(fetch)).rejects.toMatchObject(NO_KEY_PINNED);
    expect(server.hits).toBe(2);
  });

  it("I4: checks each connection that a redirect leads to", async () => {
    const other = createAuthority();
    await using target = await startJwksServer({}, other.certify({ hosts: HOSTS }));
    server.answer({ status: 302, headers: { location: target.url } });
    const fetch = open({ ca: [root.cert, other.cert], spki: [root.pin, anyPin()] });
    await expect(fetch(server.url, { redirect: "follow" })).rejects.toMatchObject(NO_KEY_PINNED);
    expect(target.connections).toBe(1);
    expect(target.hits).toBe(0);
  });

  it("I4: requires a certificate that is trusted, in time and of the host, beside the pin", async () => {
    const dayMs = 24 * 60 * 60 * 1_000;
    const strange = createAuthority({ hosts: HOSTS });
    const certificates = [
      strange,
      root.certify({ hosts: HOSTS, notAfterMs: Date.now() - dayMs / 2 }),
      root.certify({ hosts: ["other.example"] }),
    ];
    for (const certificate of certificates) {
      server.identify(certificate);
      await expect(read(openPinned(certificate.pin))).rejects.toThrow("fetch failed");
    }
    expect(server.hits).toBe(0);
  });

  it("I4: checks pin and certificate even with NODE_TLS_REJECT_UNAUTHORIZED=0", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    expect((await fetch(server.url)).status).toBe(200);
    await expect(read(open({ ca: root.cert, spki: [anyPin(), anyPin()] }))).rejects.toMatchObject(NO_KEY_PINNED);
    await expect(read(open({ spki: [own.pin, anyPin()] }))).rejects.toThrow("fetch failed");
    expect(server.hits).toBe(1);
  });

  it("I4: resumes no TLS session, though the server offers it", async () => {
    const { Agent, fetch } = await import("undici");
    // Its answer comes after the ticket, and ends the connection.
    server.answer({ headers: { connection: "close" } });
    const agent = new Agent({ connect: { ca: root.cert } });
    for (let request = 0; request < 2; request++) await (await fetch(server.url, { dispatcher: agent })).text();
    await agent.close();
    expect(server.resumptions).toEqual([false, true]);
    const pinned = openPinned(own.pin);
    for (let request = 0; request < 3; request++) await read(pinned);
    expect(server.resumptions).toEqual([false, true, false, false, false]);
  });

  it("I4: does not carry a connection over to other pins", async () => {
    await read(openPinned(own.pin));
    await expect(read(openPinned(anyPin()))).rejects.toMatchObject(NO_KEY_PINNED);
    expect(server.hits).toBe(1);
  });
});

describe("pinnedFetch() with authorities", () => {
  it("trusts those in place of the system's", async () => {
    expect(await read(open({ ca: Buffer.from(root.cert) }))).toEqual({ keys: [] });
    await expect(read(open({ ca: [createAuthority().cert] }))).rejects.toThrow("fetch failed");
    expect(server.hits).toBe(1);
  });

  it("asks the host that was resolved, once per connection, by its name", async () => {
    const asked: string[] = [];
    const lookup: LookupFunction = (hostname, _options, callback) => {
      asked.push(hostname);
      callback(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    const fetch = open({ ca: root.cert, lookup });
    const url = server.url.replace("127.0.0.1", "idp.example");
    await read(fetch, url);
    await read(fetch, url);
    expect(asked).toEqual(Array.from({ length: server.connections }, () => "idp.example"));
    await expect(read(fetch, server.url.replace("127.0.0.1", "other.example"))).rejects.toThrow("fetch failed");
    expect(server.hits).toBe(2);
  });

  it("rejects when the look-up fails or throws", async () => {
    const failing: LookupFunction = (_hostname, _options, callback) => callback(new Error("ENOTFOUND"), []);
    const throwing: LookupFunction = () => {
      throw new Error("broken");
    };
    for (const lookup of [failing, throwing]) {
      await expect(read(open({ ca: root.cert, lookup }), "https://idp.example/")).rejects.toThrow("fetch failed");
    }
  });
});

describe("pinnedFetch() that refuses private addresses", () => {
  const resolveTo =
    (...addresses: readonly string[]): LookupFunction =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      );

  it.each(["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[fd00:ec2::254]", "localhost"])(
    "H10: refuses to be made for %s",
    (host) => {
      const fetch = open({ refusePrivateAddresses: true });
      const create = (): unknown => createJwks(`https://${host}/jwks.json`, { fetch });
      expect(create).toThrow(TypeError);
      expect(create).toThrow("not at a public address");
      expect(() => open({ ca: root.cert }).assertHost(host)).not.toThrow();
    },
  );

  it("H10: may be made for a name or a public address", () => {
    const fetch = open({ refusePrivateAddresses: true });
    for (const host of ["idp.example", "1.1.1.1", "[2606:4700:4700::1111]"]) {
      expect(() => fetch.assertHost(host)).not.toThrow();
    }
  });

  it("H10: does not connect to a name that resolves to a private address, also among public ones", async () => {
    const url = server.url.replace("127.0.0.1", "idp.example");
    for (const lookup of [
      resolveTo("127.0.0.1"),
      resolveTo("1.1.1.1", "127.0.0.1"),
      resolveTo("127.0.0.1", "1.1.1.1"),
    ]) {
      const fetch = open({ ca: root.cert, refusePrivateAddresses: true, lookup });
      await expect(read(fetch, url)).rejects.toMatchObject({
        cause: { message: "The host name does not resolve to public addresses alone" },
      });
    }
    expect(server.connections).toBe(0);
  });

  it("H10: does not connect to an address, which nobody looks up", async () => {
    const fetch = open({ ca: root.cert, refusePrivateAddresses: true });
    for (const host of ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]) {
      await expect(read(fetch, server.url.replace("127.0.0.1", host))).rejects.toMatchObject({
        cause: { message: "The address is not a public one" },
      });
    }
    expect(server.connections).toBe(0);
  });
});

describe("pinnedFetch()", () => {
  it.each([
    [{}, "options must have at least one of spki, ca and refusePrivateAddresses"],
    [undefined, "options must be an object, got undefined"],
    [{ pins: ["a"] }, "options.pins is not an option"],
    [{ ca: "", refusePrivateAdresses: true }, "options.refusePrivateAdresses is not an option"],
    [{ refusePrivateAddresses: false }, "options must have at least one of"],
    [{ spki: [] }, "options.spki must not be empty"],
    [{ spki: ["a"] }, "options.spki[0] must be the base64"],
    [{ spki: [Buffer.alloc(32).toString("base64")] }, "options.spki must hold 2 different pins"],
    [{ ca: "" }, "options.ca must hold certificates"],
    [{ refusePrivateAddresses: "yes" }, "options.refusePrivateAddresses must be a boolean, got string"],
    [{ refusePrivateAddresses: true, allowMissingBackupPin: 1 }, "options.allowMissingBackupPin must be a boolean"],
    [{ refusePrivateAddresses: true, lookup: "dns" }, "options.lookup must be a function, got string"],
  ])("I6: refuses %o", (options, message) => {
    const create = (): unknown => pinnedFetch(options as unknown as PinnedFetchOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
  });

  it("I5: sends over https only", async () => {
    await using plain = await startJwksServer();
    const fetch = openPinned(own.pin);
    for (const url of [plain.url, "data:application/json,{}", "blob:https://idp.example/1", "not a URL"]) {
      await expect(read(fetch, url)).rejects.toThrow("A pinned fetch sends over https: only");
    }
    expect(plain.hits).toBe(0);
  });

  it("I5: does not follow a redirect to http", async () => {
    await using plain = await startJwksServer();
    server.answer({ status: 302, headers: { location: plain.url } });
    await expect(openPinned(own.pin)(server.url, { redirect: "follow" })).rejects.toThrow("fetch failed");
    expect(plain.hits).toBe(0);
  });

  it("shows a redirect, sends headers and streams a body as the global fetch does", async () => {
    const fetch = openPinned(own.pin);
    server.answer({ status: 302, headers: { location: "/on" } });
    const redirect = await fetch(server.url, { redirect: "manual", headers: { "x-name": "value" } });
    expect([redirect.status, redirect.headers.get("location")]).toEqual([302, "/on"]);
    expect(server.requests[0]?.headers["x-name"]).toBe("value");

    const more = Promise.withResolvers<void>();
    server.answer({
      body: (async function* () {
        yield "first";
        await more.promise;
        yield "second";
      })(),
    });
    const reader = (await fetch(server.url, {})).body?.getReader();
    const readText = async (): Promise<string> => Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(await readText()).toBe("first");
    more.resolve();
    expect(await readText()).toBe("second");
  });

  it("ends a request whose signal aborts, before its answer and within", async () => {
    const fetch = openPinned(own.pin);
    const waiting = new AbortController();
    server.answer({ after: new Promise(() => {}) });
    const refused = expect(fetch(server.url, { signal: waiting.signal })).rejects.toThrow("leaving");
    await server.reached(1);
    waiting.abort(new Error("leaving"));
    await refused;
    await server.reachedAborts(1);

    const reading = new AbortController();
    server.answer({
      body: (async function* () {
        yield "first";
        await new Promise(() => {});
      })(),
    });
    const response = await fetch(server.url, { signal: reading.signal });
    reading.abort(new Error("leaving"));
    await expect(response.text()).rejects.toThrow("leaving");
    await server.reachedAborts(2);
  });

  it("H16: ends what is under way when it is disposed, and sends nothing more", async () => {
    const fetch = openPinned(own.pin);
    await read(fetch);
    server.answer({ after: new Promise(() => {}) });
    const refused = expect(read(fetch)).rejects.toMatchObject({ cause: { message: "The pinned fetch is disposed" } });
    await server.reached(2);
    await fetch[Symbol.asyncDispose]();
    await refused;
    await server.reachedAborts(1);
    await expect(read(fetch)).rejects.toThrow("The pinned fetch is disposed");
    await fetch[Symbol.asyncDispose]();
    expect(server.hits).toBe(2);
  });

  it("H16: ends a connection whose handshake never comes to an end", async () => {
    const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const silent = createServer((socket) => {
      socket.on("error", () => {}).on("close", () => ended.resolve());
      socket.once("data", () => begun.resolve());
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const fetch = openPinned(own.pin);
    const refused = expect(read(fetch, `https://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
    await begun.promise;
    await fetch[Symbol.asyncDispose]();
    await Promise.all([refused, ended.promise]);
    await new Promise((resolve) => silent.close(resolve));
  });

  it("H16: opens nothing when it is disposed before its first request is on its way", async () => {
    const fetch = openPinned(own.pin);
    const refused = expect(read(fetch)).rejects.toThrow("The pinned fetch is disposed");
    await fetch[Symbol.asyncDispose]();
    await refused;
    expect(server.connections).toBe(0);
  });

  it("names the package to install where it is missing", async () => {
    await using child = startChildScript("./pinned-fetch-without-undici.ts", []);
    const { peerDependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(JSON.parse(await child.nextLine())).toEqual({
      name: "ConfigError",
      code: "ERR_DEPENDENCY_MISSING",
      message: `this needs the package undici: npm install undici@${peerDependencies.undici}`,
    });
  });
});
