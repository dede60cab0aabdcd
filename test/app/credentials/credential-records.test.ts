import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type CredentialRecords,
  createCredentialRecords,
  type NewCredential,
} from "../../../src/app/credentials/credential-records.js";
import type { Database } from "../../../src/app/database/database.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { freshPublicKey } from "../../support/public-keys.js";

describe("createCredentialRecords()", () => {
  let root: string;
  let database: Database;
  let records: CredentialRecords;
  const onChange = vi.fn<(fingerprint: string) => void>();
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-credentials-"));
    database = await openDatabase({ dataDir: join(root, "data") });
    records = await createCredentialRecords({ database, onChange });
  });
  afterAll(async () => {
    await records[Symbol.asyncDispose]();
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(() => onChange.mockClear());

  async function newCredential(orgId: string, fields: Partial<NewCredential> = {}): Promise<NewCredential> {
    return {
      orgId,
      key: await freshPublicKey(),
      name: "laptop",
      principalId: "alice",
      roles: ["submitter"],
      ...fields,
    };
  }

  it("records a key with everything it stands for", async () => {
    const credential = await newCredential("acme", { roles: ["submitter", "worker"] });
    const record = await records.importKey(credential);
    expect(record).toMatchObject({
      fingerprint: credential.key.fingerprint,
      name: "laptop",
      orgId: "acme",
      principalId: "alice",
      roles: ["submitter", "worker"],
      publicJwk: credential.key.jwk,
      revokedAt: null,
    });
    expect(record.createdAt).toBeInstanceOf(Date);
    expect(await records.findInForce(record.fingerprint)).toEqual(record);
    expect(await records.orgs()).toContain("acme");
  });

  it("changes the record of a key that the organisation has already", async () => {
    const credential = await newCredential("acme");
    const first = await records.importKey(credential);
    const second = await records.importKey({ ...credential, name: "desktop", principalId: "bob", roles: ["worker"] });
    expect(second).toMatchObject({ name: "desktop", principalId: "bob", roles: ["worker"] });
    expect(second.createdAt).toEqual(first.createdAt);
    expect(second.updatedAt.getTime()).toBeGreaterThan(first.updatedAt.getTime());
  });

  it("refuses a key of another organisation, and leaves its record as it is", async () => {
    const credential = await newCredential("acme");
    const record = await records.importKey(credential);
    await expect(records.importKey({ ...credential, orgId: "globex", roles: ["admin"] })).rejects.toMatchObject({
      code: "other_org",
    });
    expect(await records.findInForce(record.fingerprint)).toEqual(record);
    expect(await records.orgs()).not.toContain("globex");
  });

  it("refuses a revoked key, and never brings it back", async () => {
    const credential = await newCredential("acme");
    const { fingerprint } = await records.importKey(credential);
    const revoked = await records.revoke("acme", fingerprint);
    expect(revoked.revokedAt).toBeInstanceOf(Date);
    await expect(records.importKey(credential)).rejects.toMatchObject({ code: "revoked" });
    expect(await records.findInForce(fingerprint)).toBeUndefined();
    expect(await records.list("acme")).toContainEqual(revoked);
  });

  it("revokes once: doing it again changes nothing", async () => {
    const { fingerprint } = await records.importKey(await newCredential("acme"));
    const first = await records.revoke("acme", fingerprint);
    expect(await records.revoke("acme", fingerprint)).toEqual(first);
  });

  it("M1: does not revoke for another organisation, and answers as for a key that nobody has", async () => {
    const { fingerprint } = await records.importKey(await newCredential("acme"));
    const other = await records.revoke("globex", fingerprint).catch((error: unknown) => error);
    const unknown = await records.revoke("globex", "1".repeat(44)).catch((error: unknown) => error);
    expect(other).toMatchObject({ code: "not_found" });
    expect(String(other)).toBe(String(unknown));
    expect(await records.findInForce(fingerprint)).toBeDefined();
  });

  it("M1: lists the credentials of one organisation, oldest first", async () => {
    const first = await records.importKey(await newCredential("initech", { name: "b" }));
    const second = await records.importKey(await newCredential("initech", { name: "a" }));
    await records.importKey(await newCredential("umbrella"));
    expect(await records.list("initech")).toEqual([first, second]);
    expect(await records.list("nobody")).toEqual([]);
  });

  it("tells of every change before it is answered", async () => {
    const credential = await newCredential("acme");
    const { fingerprint } = await records.importKey(credential);
    expect(onChange).toHaveBeenCalledWith(fingerprint);
    onChange.mockClear();
    await records.importKey({ ...credential, roles: ["worker"] });
    expect(onChange).toHaveBeenCalledWith(fingerprint);
    onChange.mockClear();
    await records.revoke("acme", fingerprint);
    expect(onChange).toHaveBeenCalledWith(fingerprint);
  });

  it("tells of its own changes without waiting for the notice that others get", async () => {
    const heard = vi.fn<(fingerprint: string) => void>();
    const deaf = await createCredentialRecords({ database, onChange: heard });
    await deaf[Symbol.asyncDispose]();
    const { fingerprint } = await deaf.importKey(await newCredential("acme"));
    expect(heard).toHaveBeenCalledExactlyOnceWith(fingerprint);
  });

  it("tells of changes that another server of the database has made", async () => {
    const heard = vi.fn<(fingerprint: string) => void>();
    await using _other = await createCredentialRecords({ database, onChange: heard });
    const { fingerprint } = await records.importKey(await newCredential("acme"));
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(fingerprint));
  });

  it("gives one key to one organisation when two import it at once", async () => {
    const key = await freshPublicKey();
    const results = await Promise.allSettled(
      ["north", "south"].map(async (orgId) => records.importKey(await newCredential(orgId, { key }))),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });
});
