import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { StoredKey } from "../../src/keys/key-store.js";
import { formatStoredKeys, parseStoredKeys } from "../../src/keys/stored-keys.js";
import { createSecret } from "../../src/lib/secret.js";

const KEY: StoredKey = {
  kid: "a",
  privateJwk: createSecret({ kty: "OKP", d: "the-private-part" }),
  publishedAtMs: 1,
  signsFromMs: 2,
  retiresAtMs: 3,
};

describe("parseStoredKeys()", () => {
  it("reads back what formatStoredKeys() wrote", () => {
    const { retiresAtMs: _retiresAtMs, ...current } = KEY;
    const parsed = parseStoredKeys(formatStoredKeys([KEY, { ...current, kid: "b" }]), "keys.json");
    expect(parsed).toMatchObject([{ kid: "a", publishedAtMs: 1, signsFromMs: 2, retiresAtMs: 3 }, { kid: "b" }]);
    expect(parsed[1]).not.toHaveProperty("retiresAtMs");
    expect(parsed[0]?.privateJwk.reveal()).toEqual({ kty: "OKP", d: "the-private-part" });
  });

  const whole = formatStoredKeys([KEY]);
  it.each([
    ["half of a document", whole.slice(0, whole.length / 2)],
    ["nothing", ""],
    ["another version", whole.replace('"version": 1', '"version": 2')],
    ["no keys", '{"version":1,"keys":[]}'],
    ["keys that are no array", '{"version":1,"keys":{}}'],
    ["a key that is null", '{"version":1,"keys":[null]}'],
    ["a kid of another type", whole.replace('"kid": "a"', '"kid": 1')],
    ["an instant that is not finite", whole.replace('"signsFromMs": 2', '"signsFromMs": 1e999')],
    ["an instant that is a text", whole.replace('"retiresAtMs": 3', '"retiresAtMs": "3"')],
    ["a private key that is a text", whole.replace(/"privateJwk": \{[^}]*\}/, '"privateJwk": "the-private-part"')],
  ])("refuses %s, naming the source and quoting nothing", (_name, text) => {
    let thrown: unknown;
    try {
      parseStoredKeys(text, "/keys/keys.7.json");
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: "ERR_CREDENTIAL_STORE",
      message: expect.stringContaining("/keys/keys.7.json"),
    });
    expect(inspect(thrown, { depth: 9 })).not.toContain("the-private-part");
  });
});
