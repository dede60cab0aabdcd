import { mkdir, readdir, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { type DequeueJobsResponse, JobEventService, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { openCredentials } from "../../../src/app/cli/home.js";
import { loadIssuerSettings } from "../../../src/app/server/issuer-settings.js";
import { openOwnIssuer } from "../../../src/app/server/own-issuer.js";
import { createResources } from "../../../src/app/server/resources.js";
import { startServer } from "../../../src/app/server/start-server.js";
import { bearerAuth } from "../../../src/client/bearer-auth.js";
import { type SignedJwtOptions, signedJwt } from "../../../src/client/signed-jwt.js";
import { createTestIssuer } from "../../../src/testing/test-issuer.js";
import { forge, takeApart } from "../../support/forge.js";
import { type JwksAnswer, startJwksServer } from "../../support/jwks-server.js";
import { freshPublicKeyPem } from "../../support/public-keys.js";
import { openServerFixture, type ServerFixture, silentLog } from "../../support/running-server.js";
import { createSelfSigned } from "../../support/self-signed.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";

async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await call.then(
      () => new Error("the call succeeded"),
      (error: unknown) => error,
    ),
  );
}

describe("startServer()", () => {
  let fixture: ServerFixture;
  beforeAll(async () => {
    fixture = await openServerFixture();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  function connect(...interceptors: readonly Interceptor[]): Client<typeof JobService> {
    const transport = createConnectTransport({
      baseUrl: fixture.server.url,
      httpVersion: "1.1",
      interceptors: [...interceptors],
    });
    return createClient(JobService, transport);
  }

  /** A client that signs its tokens with a credential, with claims and audience as given. */
  async function connectAs(name: string, options: Partial<SignedJwtOptions> = {}): Promise<Client<typeof JobService>> {
    const key = await openCredentials(fixture.env).signingKey(name);
    return connect(bearerAuth(signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey", ...options })));
  }

  async function ownIssuer() {
    const keysDir = join(fixture.dataDir, "keys");
    return openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
  }

  it("publishes the keys and the metadata of its own issuer", async () => {
    const { url } = fixture.server;
    const metadata = (await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json()) as Record<
      string,
      unknown
    >;
    expect(metadata).toMatchObject({ issuer: url, jwks_uri: `${url}/.well-known/jwks.json` });
    const response = await fetch(`${url}/.well-known/jwks.json`);
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    expect(JSON.stringify(await response.json())).not.toContain('"d"');
  });

  it("says that it lives and that it is ready, and knows nothing else", async () => {
    const { url } = fixture.server;
    const status = async (path: string): Promise<number> => {
      const response = await fetch(url + path);
      await response.arrayBuffer();
      return response.status;
    };
    expect(await status("/healthz")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    expect(await status("/")).toBe(404);
    expect(await status("/latchkey.jobs.v1.JobService/Nothing")).toBe(404);
  });

  it("accepts the tokens of its own issuer, by the keys it publishes", async () => {
    using issuer = await ownIssuer();
    const { value } = await issuer.tokens.issue({ subject: "operator", org: "acme", roles: ["admin"] });
    const { kid } = decodeProtectedHeader(value);
    const published = await (await fetch(`${fixture.server.url}/.well-known/jwks.json`)).text();
    expect(published).toContain(`"${kid}"`);
    const { jobs } = await connect().listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${value}` } });
    expect(jobs).toEqual([]);
  });

  it("accepts the tokens of an issuer that it was told to trust, and of no other", async () => {
    const issuer = await createTestIssuer({ issuer: "https://idp.test", audience: "latchkey" });
    const stranger = await createTestIssuer({ issuer: "https://stranger.test", audience: "latchkey" });
    await using keys = await startJwksServer({ body: issuer.jwks() });
    const server = await startServer({
      dataDir: join(await temporaryDirectory(), "data"),
      port: 0,
      log: silentLog(),
      trustedIssuers: [{ issuer: issuer.issuer, audience: "latchkey", algorithms: ["ES256"], jwksUri: keys.url }],
    });
    const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
    const list = async (token: string) =>
      createClient(JobService, transport).listJobs(
        { orgId: "acme" },
        { headers: { authorization: `Bearer ${token}` } },
      );
    const claims = { roles: ["worker"] };
    expect((await list(await issuer.mint({ claims }))).jobs).toEqual([]);
    expect((await refusal(list(await stranger.mint({ claims })))).code).toBe(Code.Unauthenticated);
    await server.close();
  });

  it("lets operators see its key caches and refresh them, and not lose its own", async () => {
    using issuer = await ownIssuer();
    const { value } = await issuer.tokens.issue({ subject: "operator", org: "acme", roles: ["operator"] });
    const ask = async (method: string, path: string): Promise<readonly [number, unknown]> => {
      const response = await fetch(`${fixture.server.url}/admin/jwks${path}`, {
        method,
        headers: { authorization: `Bearer ${value}`, "content-type": "application/json" },
        ...(method === "PUT" && { body: JSON.stringify({ url: "https://evil.example/" }) }),
      });
      return [response.status, await response.json()];
    };
    const own = { tenantId: "latchkey", providerId: "own", issuer: fixture.server.url, state: "ready" };
    expect(await ask("GET", "/providers")).toMatchObject([200, { providers: [own] }]);
    expect(await ask("POST", "/providers/latchkey/own/refresh")).toMatchObject([200, own]);
    for (const method of ["PUT", "DELETE"]) {
      expect(await ask(method, "/providers/latchkey/own")).toMatchObject([409, { error: { code: "ERR_READ_ONLY" } }]);
    }
    expect(await ask("GET", "/providers")).toMatchObject([200, { providers: [own] }]);
  });

  it("M3: lets no admin of an organisation operate it, and takes no credential with the role operator", async () => {
    const key = await openCredentials(fixture.env).signingKey("admin");
    const source = signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey" });
    const { value } = await source.getToken({
      audience: "latchkey",
      origin: fixture.server.url,
      signal: AbortSignal.timeout(10_000),
    });
    const response = await fetch(`${fixture.server.url}/admin/jwks/providers`, {
      headers: { authorization: `Bearer ${value}` },
    });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([
      403,
      'Bearer realm="latchkey", error="insufficient_scope"',
    ]);
    const transport = createConnectTransport({
      baseUrl: fixture.server.url,
      httpVersion: "1.1",
      interceptors: [bearerAuth(source)],
    });
    const imported = createClient(CredentialService, transport).importCredential({
      orgId: "acme",
      publicKeyPem: freshPublicKeyPem(),
      name: "climber",
      roles: ["operator"],
    });
    expect((await refusal(imported)).code).toBe(Code.InvalidArgument);
    const claimed = await connectAs("admin", { claims: { roles: ["operator"] } });
    expect((await refusal(claimed.listJobs({ orgId: "acme" }))).code).toBe(Code.Unauthenticated);
  });

  it("accepts the tokens that credentials on its record sign", async () => {
    const { jobs } = await (await connectAs("admin")).listJobs({ orgId: "acme" });
    expect(jobs).toEqual([]);
  });

  it("F8: refuses a call without a token, whatever its message, with a challenge", async () => {
    const error = await refusal(connect().listJobs({ orgId: "no such name!" }));
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.metadata.get("www-authenticate")).toBe('Bearer realm="latchkey"');
  });

  it("answers a bad request with invalid_argument that names the field, once the caller is known", async () => {
    const client = await connectAs("admin");
    const error = await refusal(client.enqueueJob({ orgId: "acme", queue: "a/b", command: "true" }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.message).toContain("queue");
  });

  it("E1: refuses a token for another audience", async () => {
    const client = await connectAs("admin", { audience: "https://elsewhere.example" });
    expect((await refusal(client.listJobs({ orgId: "acme" }))).code).toBe(Code.Unauthenticated);
  });

  it("refuses a token that claims more than the record of its credential, and takes one that claims less", async () => {
    await fixture.addCredential("narrow", "submitter,worker");
    for (const claims of [{ roles: ["admin"] }, { org: "globex" }, { principal_id: "root" }]) {
      const greedy = await connectAs("narrow", { claims });
      expect((await refusal(greedy.listJobs({ orgId: "acme" }))).code).toBe(Code.Unauthenticated);
    }
    const modest = await connectAs("narrow", { claims: { roles: ["worker"] } });
    expect((await modest.listJobs({ orgId: "acme" })).jobs).toBeInstanceOf(Array);
    const enqueue = modest.enqueueJob({ orgId: "acme", queue: "default", command: "true" });
    expect((await refusal(enqueue)).code).toBe(Code.PermissionDenied);
  });

  it("E12: refuses the next call of a credential that was revoked", async () => {
    await fixture.addCredential("leaver", "submitter");
    const client = await connectAs("leaver");
    await client.listJobs({ orgId: "acme" });
    expect(await fixture.cli("credentials", "revoke", "leaver", "--as", "admin")).toMatchObject({ exitCode: 0 });
    expect((await refusal(client.listJobs({ orgId: "acme" }))).code).toBe(Code.Unauthenticated);
  });

  it("lets a credential do at once what its changed record says, and no longer what it said", async () => {
    await fixture.addCredential("mover", "submitter");
    const client = await connectAs("mover");
    const { job } = await client.enqueueJob({ orgId: "acme", queue: "parked", command: "true" });
    expect(job?.submittedBy).toBe("mover");
    await fixture.cli("credentials", "import", "mover", "--as", "admin", "--roles", "worker");
    const enqueue = client.enqueueJob({ orgId: "acme", queue: "parked", command: "true" });
    expect((await refusal(enqueue)).code).toBe(Code.PermissionDenied);
  });

  it("M1: keeps organisations apart, whatever the token of its own issuer says about roles", async () => {
    using issuer = await ownIssuer();
    const { value } = await issuer.tokens.issue({ subject: "mallory", org: "globex", roles: ["admin"] });
    const options = { headers: { authorization: `Bearer ${value}` } };
    expect((await refusal(connect().listJobs({ orgId: "acme" }, options))).code).toBe(Code.PermissionDenied);
    const { job } = await (await connectAs("admin")).enqueueJob({ orgId: "acme", queue: "parked", command: "true" });
    const other = await refusal(connect().getJob({ jobId: job?.id ?? "" }, options));
    const unknown = await refusal(connect().getJob({ jobId: UNKNOWN_ID }, options));
    expect(other.code).toBe(Code.NotFound);
    expect([other.message, other.details]).toEqual([unknown.message, unknown.details]);
  });

  it("G9: answers a refused call whose body is still on its way, so that the caller learns why", async () => {
    const transport = createConnectTransport({ baseUrl: fixture.server.url, httpVersion: "1.1" });
    const client = createClient(CredentialService, transport);
    for (let call = 0; call < 20; call++) {
      expect((await refusal(client.listCredentials({}))).code).toBe(Code.Unauthenticated);
    }
  });

  it("L1: writes no token and no claim to its log", async () => {
    using issuer = await ownIssuer();
    const { value } = await issuer.tokens.issue({ subject: "quiet-caller", org: "quiet-org", roles: ["worker"] });
    await refusal(connect().listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${value}` } }));
    await refusal(
      connect().listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${value.slice(0, -4)}` } }),
    );
    const log = fixture.log();
    expect(log).toContain("call refused");
    for (const part of value.split(".")) expect(log).not.toContain(part);
    expect(log).not.toMatch(/quiet-caller|quiet-org/);
  });

  it("L2: writes one line of JSON for each refusal, whatever line a token would like to add", async () => {
    using issuer = await ownIssuer();
    const line = '\n{"level":60,"msg":"injected"}\n';
    const issue = async (subject: string, org: string, role: string): Promise<string> =>
      (await issuer.tokens.issue({ subject, org, roles: [role] })).value;
    const { header, payload, signature } = takeApart(await issue("alice", "acme", "worker"));
    const refused = [
      [forge({ ...header, kid: line }, payload, signature), Code.Unauthenticated],
      [forge(header, { ...payload, iss: `${payload["iss"]}${line}` }, signature), Code.Unauthenticated],
      [forge(header, { ...payload, sub: line }, signature), Code.Unauthenticated],
      [await issue(line, "acme", line), Code.PermissionDenied],
      [await issue(line, line, "worker"), Code.PermissionDenied],
    ] as const;
    const before = fixture.log().length;
    for (const [token, code] of refused) {
      const call = connect().listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${token}` } });
      expect((await refusal(call)).code).toBe(code);
    }
    const lines = fixture.log().slice(before).split("\n");
    expect(lines.pop()).toBe("");
    const logged = lines.map((text) => JSON.parse(text));
    expect(logged).toEqual(refused.map(() => expect.objectContaining({ level: 30, msg: "call refused" })));
    expect(lines.join()).not.toContain("injected");
  });

  it("refuses a busy port before it touches the disk", async () => {
    const dataDir = join(await temporaryDirectory(), "data");
    const { port } = new URL(fixture.server.url);
    await expect(startServer({ dataDir, port: Number(port), log: silentLog() })).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringMatching(/^cannot listen on 127\.0\.0\.1 port \d+: the port is in use/),
    });
    await expect(readdir(dataDir)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("I7: refuses unusable signing keys before it touches the data directory", async () => {
    const directory = await temporaryDirectory();
    const keysDir = join(directory, "keys");
    await mkdir(keysDir, { mode: 0o700 });
    await writeFile(join(keysDir, "keys.1.json"), "{", { mode: 0o600 });
    const dataDir = join(directory, "data");
    await expect(startServer({ dataDir, keysDir, port: 0, log: silentLog() })).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_STORE",
    });
    expect(await readdir(directory)).toEqual(["keys"]);
  });

  it("refuses a data directory that is in use, and frees the port", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as { readonly port: number };
    await new Promise((resolve) => probe.close(resolve));
    await expect(startServer({ dataDir: fixture.dataDir, port, log: silentLog() })).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringContaining("in use"),
    });
    const again = createServer().listen(port, "127.0.0.1");
    await new Promise((resolve, reject) => again.once("listening", resolve).once("error", reject));
    await new Promise((resolve) => again.close(resolve));
  });
});

describe("startServer() with other issuers", () => {
  it("H18, I3: starts, lives and is ready whatever they and Redis answer, and serves the callers of each once it is well", async () => {
    const answers: readonly JwksAnswer[] = [
      { status: 500 },
      { body: "<html>" },
      { after: new Promise(() => {}) },
      { reset: true },
    ];
    await using resources = createResources();
    const others = await Promise.all(
      answers.map(async (answer, index) => {
        const keys = await startJwksServer(answer);
        resources.use(keys);
        return { keys, issuer: await createTestIssuer({ issuer: `https://idp-${index}.test`, audience: "latchkey" }) };
      }),
    );
    const dataDir = join(await temporaryDirectory(), "data");
    const server = await startServer({
      dataDir,
      port: 0,
      log: silentLog(),
      // Nobody speaks Redis there.
      snapshots: {
        redisUrl: others[3]?.keys.url.replace("http:", "redis:").replace("/jwks.json", "") ?? "",
        secrets: ["x".repeat(32)],
      },
      trustedIssuers: others.map(({ keys, issuer: { issuer } }) => ({
        issuer,
        audience: "latchkey",
        algorithms: ["ES256"],
        jwksUri: keys.url,
        jwksOptions: { retries: 0, attemptTimeoutMs: 300, totalTimeoutMs: 300 },
      })),
    });
    resources.defer(() => server.close());
    const isFine = async (): Promise<void> => {
      for (const path of ["/healthz", "/readyz"]) expect((await fetch(server.url + path)).status, path).toBe(200);
    };
    await isFine();
    expect(others.map(({ keys }) => keys.hits)).toEqual([0, 0, 0, 0]);
    const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
    const list = (token: string) =>
      createClient(JobService, transport).listJobs(
        { orgId: "acme" },
        { headers: { authorization: `Bearer ${token}` } },
      );
    const tokens = await Promise.all(others.map(({ issuer }) => issuer.mint({ claims: { roles: ["worker"] } })));
    const codes = await Promise.all(tokens.map(async (token) => (await refusal(list(token))).code));
    expect(codes).toEqual(answers.map(() => Code.Unavailable));
    await isFine();
    const keysDir = join(dataDir, "keys");
    using own = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
    const operator = await own.tokens.issue({ subject: "operator", org: "acme", roles: ["admin", "operator"] });
    expect((await list(operator.value)).jobs).toEqual([]);

    // An operator need not wait for the next try.
    for (const [index, { keys, issuer }] of others.entries()) {
      keys.answer({ body: issuer.jwks() });
      const refreshed = await fetch(`${server.url}/admin/jwks/providers/trust/idp-${index}.test/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${operator.value}` },
      });
      expect([refreshed.status, await refreshed.json()]).toMatchObject([200, { kids: [issuer.kid] }]);
      expect((await list(tokens[index] ?? "")).jobs).toEqual([]);
    }
  }, 60_000);
});

describe("startServer() that closes", () => {
  it("does not wait at its close for workers that have events under way, and tells them to come again", async () => {
    await using own = await openServerFixture({ closeGraceMs: 60_000 });
    const key = await openCredentials(own.env).signingKey("admin");
    const interceptors = [bearerAuth(signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey" }))];
    const transport = createConnectTransport({ baseUrl: own.server.url, httpVersion: "1.1", interceptors });
    const jobs = createClient(JobService, transport);
    const { job } = await jobs.enqueueJob({ orgId: "acme", queue: "default", command: "true" });
    const leased = await jobs.dequeueJobs({ orgId: "acme", queue: "default" })[Symbol.asyncIterator]().next();
    const lease = (leased.value as DequeueJobsResponse | undefined)?.lease;
    if (job === undefined || lease === undefined) throw new Error("nothing leased");
    const events = createClient(JobEventService, transport);
    const ended = new AbortController();
    async function* messages() {
      yield { orgId: "acme", lease, events: [{ event: { case: "heartbeat", value: {} } as const }] };
      await new Promise((resolve) => ended.signal.addEventListener("abort", resolve));
    }
    const publishing = refusal(events.publishJobEvents(messages()));
    const stored = await events.streamJobEvents({ jobId: job.id })[Symbol.asyncIterator]().next();
    expect(stored.value?.item.case).toBe("event");
    const startedMs = performance.now();
    await own.server.close();
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect((await publishing).code).toBe(Code.Unavailable);
    ended.abort();
  }, 90_000);
});

describe("startServer() over TLS, restarted", () => {
  it("serves HTTP/2 and HTTP/1.1, ends streams when it closes, and finds everything again", async () => {
    const tls = createSelfSigned();
    await using fixture = await openServerFixture({ tls, host: "127.0.0.1" });
    const { url } = fixture.server;
    expect(url).toMatch(/^https:/);
    const get = (path: string, authorization = ""): Promise<string> =>
      new Promise((resolve, reject) => {
        httpsRequest(url + path, { ca: tls.cert, headers: { authorization } }, (response) => {
          response.setEncoding("utf8").on("data", resolve);
        })
          .on("error", reject)
          .end();
      });
    expect(JSON.parse(await get("/healthz"))).toEqual({ status: "ok" });

    const key = await openCredentials(fixture.env).signingKey("admin");
    const source = signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey" });
    const connect = (baseUrl: string, httpVersion: "1.1" | "2"): Client<typeof JobService> =>
      createClient(
        JobService,
        createConnectTransport({
          baseUrl,
          httpVersion,
          nodeOptions: { ca: tls.cert },
          interceptors: [bearerAuth(source, { origins: [baseUrl] })],
        }),
      );
    const client = connect(url, "2");
    const { job } = await client.enqueueJob({ orgId: "acme", queue: "later", command: "true" });
    expect((await connect(url, "1.1").listJobs({ orgId: "acme" })).jobs).toHaveLength(1);

    // The server's own tokens are verified with keys fetched from its inner address.
    const keysDir = join(fixture.dataDir, "keys");
    using issuer = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
    const { value } = await issuer.tokens.issue({ subject: "operator", org: "acme", roles: ["admin", "operator"] });
    const own = createClient(
      JobService,
      createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions: { ca: tls.cert } }),
    );
    const listed = await own.listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${value}` } });
    expect(listed.jobs).toHaveLength(1);
    // That address has the keys and nothing that needs a token, which would travel in plain text.
    const { url: keysUrl } = JSON.parse(await get("/admin/jwks/providers/latchkey/own", `Bearer ${value}`));
    const { origin } = new URL(keysUrl);
    expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:/);
    const headers = { authorization: `Bearer ${value}` };
    expect((await fetch(`${origin}/admin/jwks/providers`, { headers })).status).toBe(404);

    await client.enqueueJob({ orgId: "acme", queue: "now", command: "true" });
    const stream = client.dequeueJobs({ orgId: "acme", queue: "now" })[Symbol.asyncIterator]();
    expect((await stream.next()).value?.job?.queue).toBe("now");
    const ended = refusal(stream.next());
    await fixture.server.close();
    expect((await ended).code).toBe(Code.Unavailable);

    const restarted = await startServer({ dataDir: fixture.dataDir, port: 0, tls, log: silentLog() });
    try {
      const { job: found } = await connect(restarted.url, "2").getJob({ jobId: job?.id ?? "" });
      expect(found?.queue).toBe("later");
    } finally {
      await restarted.close();
    }
  });
});
