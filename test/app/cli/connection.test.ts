import { Code, ConnectError } from "@connectrpc/connect";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createCliContext } from "../../../src/app/cli/cli-context.js";
import { type Connection, type ConnectionFlags, openConnection } from "../../../src/app/cli/connection.js";
import { CREDENTIAL_ISSUER } from "../../../src/app/credentials/find-key.js";
import { createTextSink } from "../../support/cli.js";
import { type CliHome, createCliHome } from "../../support/cli-home.js";
import { type RpcServer, startRpcServer } from "../../support/rpc-server.js";

describe("openConnection()", () => {
  let server: RpcServer;
  let home: CliHome;
  let seen: (string | null)[];

  beforeEach(async () => {
    seen = [];
    server = await startRpcServer("1.1", {
      routes: (router) =>
        router.service(JobService, {
          listJobs(_request, { requestHeader }) {
            seen.push(requestHeader.get("authorization"));
            return {};
          },
          getJob() {
            throw new ConnectError("job not found", Code.NotFound);
          },
        }),
    });
    home = await createCliHome(server.url);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  function open(flags: Partial<ConnectionFlags> = {}): Promise<Connection> {
    const io = { stdout: createTextSink(), stderr: createTextSink(), on: () => {}, off: () => {} };
    const context = createCliContext(home.env, io);
    return openConnection({ server: server.url, audience: "latchkey", tokenLifetimeSeconds: 3_600, ...flags }, context);
  }

  it("sends nothing before the first call", async () => {
    using connection = await open();
    expect(connection).toMatchObject({ server: server.url, orgId: "acme", credential: { name: "alice" } });
    await connection.streamLifetimeMs();
    expect(server.bytesTaken()).toBe(0);
  });

  it("signs one token for all calls, as its credential and for the audience that was named", async () => {
    using connection = await open({ audience: "jobs", tokenLifetimeSeconds: 120 });
    for (let call = 0; call < 3; call++) await connection.jobs.listJobs({ orgId: "acme" });
    expect(new Set(seen).size).toBe(1);
    const token = seen[0]?.replace(/^Bearer /, "") ?? "";
    const { fingerprint } = connection.credential;
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: "ES256", typ: "at+jwt", kid: fingerprint });
    const { iss, sub, aud, iat = 0, exp = 0 } = decodeJwt(token);
    expect({ iss, sub, aud }).toEqual({ iss: CREDENTIAL_ISSUER, sub: fingerprint, aud: "jobs" });
    expect(exp - iat).toBe(120);
  });

  it("claims neither organisation nor roles, for the record of the server decides", async () => {
    using connection = await open();
    await connection.jobs.listJobs({ orgId: "acme" });
    const claims = decodeJwt(seen[0]?.replace(/^Bearer /, "") ?? "");
    expect(Object.keys(claims).toSorted()).toEqual(["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]);
  });

  it("J6: leaves a stream open until well before its token expires", async () => {
    using long = await open({ tokenLifetimeSeconds: 3_600 });
    // The token began 10 seconds ago; 30 seconds are kept.
    const longMs = await long.streamLifetimeMs();
    expect(longMs).toBeLessThanOrEqual(3_560_000);
    expect(longMs).toBeGreaterThan(3_550_000);
    using short = await open({ tokenLifetimeSeconds: 60 });
    // A tenth of what is left of a short one.
    const shortMs = await short.streamLifetimeMs();
    expect(shortMs).toBeLessThanOrEqual(45_000);
    expect(shortMs).toBeGreaterThan(36_000);
  });

  it.each([
    "http://jobs.example",
    "http://10.0.0.1:8090",
    "http://localhost.example",
    "http://127.0.0.1.example",
    "http://127.example",
    "http://[::2]:8090",
    "http://0.0.0.0:8090",
  ])("K3: refuses %s, with or without a credential", async (url) => {
    for (const flags of [{ server: url }, { server: url, credential: "nobody" }]) {
      await expect(open(flags)).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
        message: `tokens are not sent over plain http to another machine: use https:// for ${url}`,
      });
    }
  });

  it.each(["https://jobs.example", "http://localhost:1", "http://127.8.9.10:1", "http://[::1]:1"])(
    "takes %s",
    async (url) => {
      using connection = await open({ server: url });
      expect(connection.server).toBe(url);
    },
  );

  it("refuses a credential that no server knows, and says who can help; one that is not there too", async () => {
    await home.run("init", "--name", "fresh", "--org", "acme");
    await expect(open({ credential: "fresh" })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("latchkey credentials import fresh --as ADMIN"),
    });
    await home.run("init", "--name", "homeless");
    await home.run("credentials", "update", "homeless", "--imported");
    await expect(open({ credential: "homeless" })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    await expect(open({ credential: "nobody" })).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_NOT_FOUND",
      message: expect.stringContaining("alice"),
    });
    expect(server.bytesTaken()).toBe(0);
  });

  it("signs nothing more once it is disposed", async () => {
    const connection = await open();
    connection[Symbol.dispose]();
    await expect(connection.jobs.listJobs({ orgId: "acme" })).rejects.toBeInstanceOf(ConnectError);
    expect(seen).toEqual([]);
  });
});
