import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type Credential, CredentialSchema, CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { cli } from "../../../support/cli.js";
import { createCliHome } from "../../../support/cli-home.js";
import { type RpcServer, startRpcServer } from "../../../support/rpc-server.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

/** A server that has these credentials on record. */
function serve(list: () => readonly Credential[]): Promise<RpcServer> {
  return startRpcServer("1.1", {
    routes: (router) => router.service(CredentialService, { listCredentials: () => ({ credentials: [...list()] }) }),
  });
}

describe("latchkey credentials list", () => {
  it("says how to make one when there is none, and prints an empty array as JSON", async () => {
    const env = { LATCHKEY_HOME: await temporaryDirectory() };
    expect(await cli(["credentials", "list"], env)).toEqual({
      exitCode: 0,
      stdout: "",
      stderr: "no credentials yet: create one with `latchkey init`\n",
    });
    expect((await cli(["credentials", "list", "--json"], env)).stdout).toBe("[]\n");
  });

  it("asks no server unless told to", async () => {
    await using server = await serve(() => []);
    const home = await createCliHome(server.url);
    const { stdout } = await home.run("credentials", "list");
    expect(stdout).toMatch(/^NAME \(\* DEFAULT\) +ORG +PRINCIPAL +ROLES +IMPORTED +FINGERPRINT\nalice \* +acme /);
    expect(server.bytesTaken()).toBe(0);
  });

  it("shows with --remote what the server has on record, revoked ones marked", async () => {
    const common = { orgId: "acme", principalId: "ci", roles: ["worker", "submitter"] };
    await using server = await serve(() => [
      create(CredentialSchema, { ...common, name: "ci", fingerprint: "F1" }),
      create(CredentialSchema, { ...common, name: "old", fingerprint: "F2", revokedAt: { seconds: 1n } }),
    ]);
    const home = await createCliHome(server.url);
    const { exitCode, stdout } = await home.run("credentials", "list", "--remote");
    expect(exitCode).toBe(0);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["NAME", "ORG", "PRINCIPAL", "ROLES", "REVOKED", "FINGERPRINT"],
      ["ci", "acme", "ci", "worker,submitter", "no", "F1"],
      ["old", "acme", "ci", "worker,submitter", "yes", "F2"],
      [""],
    ]);
    expect(JSON.parse((await home.run("credentials", "list", "--remote", "--json")).stdout)).toMatchObject([
      { name: "ci" },
      { name: "old", revokedAt: "1970-01-01T00:00:01Z" },
    ]);
  });

  it("L2: lets no name on the server's record drive the terminal", async () => {
    await using server = await serve(() => [create(CredentialSchema, { name: "a\u001b[2J", principalId: "\nb" })]);
    const home = await createCliHome(server.url);
    const { stdout } = await home.run("credentials", "list", "--remote");
    expect(stdout.split("\n")).toHaveLength(3);
    expect(stdout).toContain("a\\u{1b}[2J");
  });

  it("says what the credential lacks when the server refuses", async () => {
    await using server = await serve(() => {
      throw new ConnectError("denied", Code.PermissionDenied);
    });
    const home = await createCliHome(server.url);
    expect(await home.run("credentials", "list", "--remote")).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining("credential alice may not do this"),
    });
  });
});
