import { describe, expect, it } from "vitest";
import type { CredentialRecord } from "../../../src/app/credentials/credential-records.js";
import { createFindKey } from "../../../src/app/credentials/find-key.js";
import { freshPublicKey } from "../../support/public-keys.js";

describe("createFindKey()", () => {
  const { signal } = new AbortController();

  async function setUp() {
    const { jwk, fingerprint } = await freshPublicKey();
    const at = new Date(0);
    const record: CredentialRecord = {
      fingerprint,
      name: "laptop",
      orgId: "acme",
      principalId: "alice",
      roles: ["worker"],
      publicJwk: jwk,
      createdAt: at,
      updatedAt: at,
      revokedAt: null,
    };
    const asked: string[] = [];
    const findKey = createFindKey({
      async findInForce(wanted) {
        asked.push(wanted);
        return wanted === fingerprint ? record : undefined;
      },
    });
    return { findKey, asked, jwk, fingerprint };
  }

  it("gives the key under its fingerprint, and the record as what decides", async () => {
    const { findKey, jwk, fingerprint } = await setUp();
    expect(await findKey(fingerprint, { signal })).toEqual({
      key: { ...jwk, kid: fingerprint },
      principal: { principalId: "alice", org: "acme", roles: ["worker"] },
    });
  });

  it("gives nothing for a fingerprint that is not on record", async () => {
    const { findKey } = await setUp();
    expect(await findKey("2".repeat(44), { signal })).toBeUndefined();
  });

  it.each(["", "../../etc/passwd", "' OR 1=1 --", "__proto__", "0".repeat(44), "1".repeat(31), "1".repeat(256)])(
    "A9: asks the database nothing for the kid %j",
    async (kid) => {
      const { findKey, asked } = await setUp();
      expect(await findKey(kid, { signal })).toBeUndefined();
      expect(asked).toEqual([]);
    },
  );
});
