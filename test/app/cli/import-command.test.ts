import { beforeEach, describe, expect, it } from "vitest";
import { importCommand } from "../../../src/app/cli/import-command.js";
import type { Credential } from "../../../src/keys/credential.js";
import type { CredentialStore } from "../../../src/keys/credential-store.js";
import { openCredentialStore } from "../../../src/keys/node-credential-store.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

describe("importCommand()", () => {
  let store: CredentialStore;
  let laptop: Credential;
  beforeEach(async () => {
    store = openCredentialStore(await temporaryDirectory());
    laptop = await store.create({ name: "laptop", orgId: "acme" });
  });

  async function add(name: string, orgId: string | undefined, imported: boolean, ...roles: string[]): Promise<void> {
    await store.create({ name, roles, ...(orgId !== undefined && { orgId }) });
    if (imported) await store.update(name, { imported });
  }

  it("names a place for the admin when this machine has none who could", async () => {
    await add("worker", "acme", true, "worker", "submitter");
    await add("not-yet", "acme", false, "admin");
    await add("elsewhere", "globex", true, "admin");
    await add("unknown", undefined, true, "admin");
    expect(await importCommand(laptop, store)).toBe("latchkey credentials import laptop --as ADMIN");
  });

  it("names an admin of the organisation that the credential is meant for", async () => {
    await add("a-globex", "globex", true, "admin");
    await add("boss", "acme", true, "worker", "admin");
    expect(await importCommand(laptop, store)).toBe("latchkey credentials import laptop --as boss");
  });

  it("names any admin when the credential is meant for no organisation in particular", async () => {
    const free = await store.create({ name: "free" });
    await add("a-globex", "globex", true, "admin");
    expect(await importCommand(free, store)).toBe("latchkey credentials import free --as a-globex");
  });

  it("never lets a credential import itself", async () => {
    const self = await store.update("laptop", { roles: ["admin"], imported: true });
    expect(await importCommand(self, store)).toBe("latchkey credentials import laptop --as ADMIN");
  });
});
