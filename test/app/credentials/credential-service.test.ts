import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
} from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { type CredentialRecords, createCredentialRecords } from "../../../src/app/credentials/credential-records.js";
import { registerCredentialService } from "../../../src/app/credentials/credential-service.js";
import type { Database } from "../../../src/app/database/database.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { createTestIssuer, type TestIssuer } from "../../../src/testing/test-issuer.js";
import { freshPublicKeyPem } from "../../support/public-keys.js";
import { createAuthFor } from "../../support/server-auth.js";

describe("registerCredentialService()", () => {
  let root: string;
  let database: Database;
  let records: CredentialRecords;
  let issuer: TestIssuer;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-credentials-"));
    database = await openDatabase({ dataDir: join(root, "data") });
    records = await createCredentialRecords({ database, onChange() {} });
    issuer = await createTestIssuer();
  });
  afterAll(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });

  /** A client of the service behind real authentication, for a caller with these claims. */
  function connect(claims: Readonly<Record<string, unknown>>): Client<typeof CredentialService> {
    const auth = createAuthFor(issuer);
    const bearer: Interceptor = (next) => async (request) => {
      request.header.set("authorization", `Bearer ${await issuer.mint({ claims })}`);
      return next(request);
    };
    const transport = createRouterTransport(
      auth.routes((router) => registerCredentialService(router, records)),
      { transport: { interceptors: [bearer] } },
    );
    return createClient(CredentialService, transport);
  }
  const admin = (org = "acme"): Client<typeof CredentialService> => connect({ org, roles: ["admin"] });
  const request = (fields: object = {}) => ({
    orgId: "acme",
    publicKeyPem: freshPublicKeyPem(),
    name: "laptop",
    principalId: "alice",
    roles: ["worker"],
    ...fields,
  });
  async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
    return call.then(
      () => undefined,
      (error: unknown) => ConnectError.from(error).code,
    );
  }

  it("imports a credential, and lists it", async () => {
    const { credential } = await admin().importCredential(request());
    expect(credential).toMatchObject({ name: "laptop", orgId: "acme", principalId: "alice", roles: ["worker"] });
    expect(credential?.fingerprint).toMatch(/^[1-9A-HJ-NP-Za-km-z]{43,44}$/);
    expect(credential?.revokedAt).toBeUndefined();
    expect((await admin().listCredentials({})).credentials).toContainEqual(credential);
  });

  it("takes the fingerprint as the principal when none is named", async () => {
    const { credential } = await admin().importCredential(request({ principalId: "" }));
    expect(credential?.principalId).toBe(credential?.fingerprint);
  });

  it("revokes a credential, again and again", async () => {
    const { credential } = await admin().importCredential(request());
    const fingerprint = credential?.fingerprint ?? "";
    const first = await admin().revokeCredential({ fingerprint });
    expect(first.credential?.revokedAt).toBeDefined();
    expect(await admin().revokeCredential({ fingerprint })).toEqual(first);
  });

  it("answers a revoked key with failed_precondition, and a key of another organisation with already_exists", async () => {
    const publicKeyPem = freshPublicKeyPem();
    const { credential } = await admin().importCredential(request({ publicKeyPem }));
    const elsewhere = admin("globex").importCredential(request({ publicKeyPem, orgId: "globex" }));
    expect(await codeOf(elsewhere)).toBe(Code.AlreadyExists);
    await admin().revokeCredential({ fingerprint: credential?.fingerprint ?? "" });
    expect(await codeOf(admin().importCredential(request({ publicKeyPem })))).toBe(Code.FailedPrecondition);
  });

  it("M1: answers another organisation's credential exactly as one that does not exist", async () => {
    const { credential } = await admin().importCredential(request());
    const stranger = admin("globex");
    const of = async (fingerprint: string): Promise<ConnectError> =>
      ConnectError.from(await stranger.revokeCredential({ fingerprint }).catch((error: unknown) => error));
    const other = await of(credential?.fingerprint ?? "");
    const unknown = await of("1".repeat(44));
    expect(other.code).toBe(Code.NotFound);
    expect([other.message, other.details]).toEqual([unknown.message, unknown.details]);
    expect((await stranger.listCredentials({})).credentials).not.toContainEqual(credential);
  });

  it("F3: refuses to import into another organisation than the token's", async () => {
    expect(await codeOf(admin().importCredential(request({ orgId: "globex" })))).toBe(Code.PermissionDenied);
  });

  it("M3: is for admins alone", async () => {
    for (const roles of [["worker"], ["submitter"], []]) {
      const client = connect({ org: "acme", roles });
      expect(await codeOf(client.importCredential(request()))).toBe(Code.PermissionDenied);
      expect(await codeOf(client.listCredentials({}))).toBe(Code.PermissionDenied);
      expect(await codeOf(client.revokeCredential({ fingerprint: "1".repeat(44) }))).toBe(Code.PermissionDenied);
    }
  });

  it("F2: refuses an admin of no organisation", async () => {
    const client = connect({ org: undefined, roles: ["admin"] });
    expect(await codeOf(client.listCredentials({}))).toBe(Code.PermissionDenied);
    expect(await codeOf(client.revokeCredential({ fingerprint: "1".repeat(44) }))).toBe(Code.PermissionDenied);
  });

  it("answers a bad public key with invalid_argument that names the field", async () => {
    const error = await admin()
      .importCredential(request({ publicKeyPem: "hello" }))
      .catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error).code).toBe(Code.InvalidArgument);
    expect(ConnectError.from(error).message).toContain("public_key_pem");
  });

  it("is unavailable, and says no more, when the database is closed", async () => {
    const dataDir = join(root, "closed");
    const closed = await openDatabase({ dataDir });
    const closedRecords = await createCredentialRecords({ database: closed, onChange() {} });
    await closed.close();
    const auth = createAuthFor(issuer);
    const authorization = `Bearer ${await issuer.mint({ claims: { roles: ["admin"] } })}`;
    const transport = createRouterTransport(auth.routes((router) => registerCredentialService(router, closedRecords)));
    const client = createClient(CredentialService, transport);
    const error = await client.listCredentials({}, { headers: { authorization } }).catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    expect(ConnectError.from(error).rawMessage).toBe("temporarily unavailable");
  });
});
