import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type CredentialRecords, createCredentialRecords } from "../../../src/app/credentials/credential-records.js";
import type { Database } from "../../../src/app/database/database.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { ensureFirstOrg } from "../../../src/app/server/first-org.js";
import type { FirstCredential } from "../../../src/app/server/server-options.js";
import { freshPublicKeyPem } from "../../support/public-keys.js";

describe("ensureFirstOrg()", () => {
  let root: string;
  let database: Database;
  let records: CredentialRecords;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-first-org-"));
    database = await openDatabase({ dataDir: join(root, "data") });
    records = await createCredentialRecords({ database, onChange() {} });
  });
  afterAll(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });

  const credential = (fields: Partial<FirstCredential> = {}): FirstCredential => ({
    publicKeyPem: freshPublicKeyPem(),
    name: "admin",
    principalId: undefined,
    ...fields,
  });

  it("makes the organisation and its admin once, and lets nobody make another one", async () => {
    const recorded = vi.fn<(name: string) => Promise<void>>();
    const failing = { name: "acme", admin: async () => credential({ publicKeyPem: "no key" }), recorded };
    await expect(ensureFirstOrg(records, failing)).rejects.toMatchObject({ code: "invalid_key" });
    expect(await records.orgs()).toEqual([]);
    expect(recorded).not.toHaveBeenCalled();

    const admin = vi.fn<() => Promise<FirstCredential>>(async () => credential());
    await ensureFirstOrg(records, { name: "acme", admin, recorded });
    const [record] = await records.list("acme");
    expect(record).toMatchObject({ name: "admin", roles: ["admin"], principalId: record?.fingerprint });
    expect(recorded).toHaveBeenCalledExactlyOnceWith("admin");

    await ensureFirstOrg(records, { name: "acme", admin, recorded });
    expect(admin).toHaveBeenCalledOnce();
    expect(await records.list("acme")).toHaveLength(1);

    await expect(ensureFirstOrg(records, { name: "globex", admin, recorded })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("acme"),
    });
    expect(await records.orgs()).toEqual(["acme"]);
  });
});
