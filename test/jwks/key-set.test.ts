import { createHmac } from "node:crypto";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { hasSameKeys, type KeySet, type KeySetAlarm, parseKeySet, reuseKeys } from "../../src/jwks/key-set.js";

const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };

async function makeJwk(algorithm: string, members: Readonly<Record<string, unknown>>): Promise<JWK> {
  const { publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { ...(await exportJWK(publicKey)), ...members };
}

describe("parseKeySet()", () => {
  let ec: JWK;
  let rsa: JWK;
  let ed: JWK;

  beforeAll(async () => {
    ec = await makeJwk("ES256", { kid: "ec" });
    rsa = await makeJwk("RS256", { kid: "rsa" });
    ed = await makeJwk("EdDSA", { kid: "ed" });
  });

  const parse = (keys: unknown, previous?: KeySet): Promise<KeySet> =>
    parseKeySet({ keys }, { maxKeys: 100, previous });

  it("takes sound keys of every type", async () => {
    const { keys, unusableCount } = await parse([ec, rsa, ed]);
    expect([...keys.keys()]).toEqual(["ec", "rsa", "ed"]);
    expect(unusableCount).toBe(0);
    expect(keys.get("ec")?.algorithms).toEqual(["ES256"]);
    expect(keys.get("ed")?.algorithms).toEqual(["EdDSA"]);
  });

  it.each([null, [], "keys", 7, {}, { keys: {} }, { keys: null }, { keys: "[]" }])(
    "H13: refuses %o as no key set",
    async (json) => {
      await expect(parseKeySet(json, { maxKeys: 100 })).rejects.toMatchObject(INVALID);
    },
  );

  it("H14: skips and counts bad members, and keeps the good one", async () => {
    const set = await parse([
      null,
      "key",
      { ...ec, kid: "off-curve", x: rsa.n?.slice(0, 43) },
      { kty: "LMS", kid: "unknown-type" },
      { ...ec, kid: "unknown-curve", crv: "secp256k1" },
      { ...rsa, kid: "huge", n: "A".repeat(100_000) },
      { ...ec, kid: 7 },
      JSON.parse(`{"kid":"deep","kty":${"[".repeat(50_000)}${"]".repeat(50_000)}}`),
      ec,
    ]);
    expect([...set.keys.keys()]).toEqual(["ec"]);
    expect(set.unusableCount).toBe(8);
    expect([...set.unusable.values()].reduce((sum, count) => sum + count)).toBe(8);
  });

  it("H15: refuses a set that is empty or without a usable key", async () => {
    await expect(parse([])).rejects.toMatchObject(INVALID);
    await expect(parse([{ kty: "oct", kid: "k", k: "c2VjcmV0" }])).rejects.toMatchObject(INVALID);
  });

  it("H12: refuses a set with too many members, sound or not", async () => {
    const many = Array.from({ length: 101 }, (_, index) => ({ ...ec, kid: `k${index}` }));
    await expect(parse(many)).rejects.toMatchObject(INVALID);
    expect((await parse(many.slice(1))).keys.size).toBe(100);
  });

  it("A12: drops every key of a kid that occurs more than once, in whatever order", async () => {
    const twin = { ...rsa, kid: "ec" };
    for (const keys of [
      [ec, twin, ed],
      [twin, ec, ed],
      [ec, ed, ec, ec],
    ]) {
      const set = await parse(keys);
      expect([...set.keys.keys()]).toEqual(["ed"]);
      expect(set.unusable.get("duplicate kid")).toBe(keys.length - 1);
      expect(set.unusableCount).toBe(keys.length - 1);
    }
    await expect(parse([ec, twin])).rejects.toMatchObject(INVALID);
  });

  it("A14: leaves out a symmetric key", async () => {
    const k = createHmac("sha256", "secret").digest("base64url");
    const set = await parse([{ kty: "oct", kid: "oct", alg: "HS256", k }, ec]);
    expect(set.keys.has("oct")).toBe(false);
    expect(set.unusable.get("symmetric")).toBe(1);
  });

  it("A15: leaves out a private key and shows nothing of it", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const leaked = { ...(await exportJWK(privateKey)), kid: "leaked" };
    const set = await parse([leaked, ec]);
    expect([...set.keys.keys()]).toEqual(["ec"]);
    expect(set.unusable.get("private")).toBe(1);
    const { inspect } = await import("node:util");
    expect(inspect(set, { depth: 10, showHidden: true })).not.toContain(leaked.d);
    const error: unknown = await parse([leaked]).catch((reason: unknown) => reason);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(leaked.d);
  });

  it("A10: takes kids that are names of object members for what they are", async () => {
    const { keys } = await parse([{ ...ec, kid: "__proto__" }]);
    expect(keys.has("__proto__")).toBe(true);
    expect(keys.has("constructor")).toBe(false);
  });

  it("keeps a key that has not changed the very same object, and imports one that has", async () => {
    const before = await parse([ec, rsa]);
    const same = await parse([{ ...rsa, use: "sig" }, { ...ec }], before);
    expect(hasSameKeys(before, same)).toBe(true);
    const other = await makeJwk("ES256", { kid: "ec" });
    const after = await parse([other, rsa], before);
    expect(after.keys.get("ec")).not.toBe(before.keys.get("ec"));
    expect(after.keys.get("rsa")).toBe(before.keys.get("rsa"));
    expect(hasSameKeys(before, after)).toBe(false);
    expect(hasSameKeys(before, await parse([ec], before))).toBe(false);
    expect(hasSameKeys(undefined, before)).toBe(false);
    const narrowed = await parse([{ ...rsa, alg: "PS256" }, ec], before);
    expect(narrowed.keys.get("rsa")?.algorithms).toEqual(["PS256"]);
  });

  describe("alarms", () => {
    async function alarmsOf(keys: unknown): Promise<readonly KeySetAlarm[]> {
      const alarms: KeySetAlarm[] = [];
      const onAlarm = (reason: KeySetAlarm): void => void alarms.push(reason);
      await parseKeySet({ keys }, { maxKeys: 100, onAlarm }).catch(() => {});
      return alarms;
    }

    it("raises none for a sound set, nor for members that are merely of no use", async () => {
      expect(await alarmsOf([ec, rsa])).toEqual([]);
      expect(await alarmsOf([ec, null, { ...rsa, use: "enc" }, { kty: "LMS", kid: "other" }])).toEqual([]);
      expect(await alarmsOf("no list")).toEqual([]);
    });

    it("H15: raises one for a set without keys, and one for a set without a usable key", async () => {
      expect(await alarmsOf([])).toEqual(["no keys"]);
      expect(await alarmsOf([null, { ...rsa, use: "enc" }])).toEqual(["no usable keys"]);
      expect(await alarmsOf([ec, { ...rsa, kid: "ec" }])).toEqual(["no usable keys"]);
    });

    it("A14, A15: raises one for symmetric and one for private keys, however many there are", async () => {
      const symmetric = { kty: "oct", kid: "s", k: "c2VjcmV0" };
      const secret = { ...ec, kid: "p", d: ec.x };
      expect(await alarmsOf([ec, symmetric, { ...symmetric, kid: "t" }])).toEqual(["symmetric key"]);
      expect(await alarmsOf([secret, ec, { ...secret, kid: "q" }])).toEqual(["private key"]);
      expect(await alarmsOf([secret, symmetric])).toEqual(["private key", "symmetric key", "no usable keys"]);
    });
  });

  it.each([
    ["for encryption", { use: "enc" }],
    ["for a use that is spelt another way", { use: "sig " }],
    ["for a use that is a number", { use: 7 }],
    ["whose operations leave verifying out", { key_ops: ["sign"] }],
    ["whose operations are no list", { key_ops: "verify" }],
  ])("A16: leaves out a key %s", async (_name, members) => {
    const set = await parse([{ ...rsa, ...members }, ec]);
    expect([...set.keys.keys()]).toEqual(["ec"]);
    expect(set.unusableCount).toBe(1);
  });
});

describe("reuseKeys()", () => {
  it("takes over the objects of keys that have not changed, in the order of the new set", async () => {
    const jwks = [await makeJwk("ES256", { kid: "a" }), await makeJwk("ES256", { kid: "b" })];
    const changed = await makeJwk("ES256", { kid: "b" });
    const before = await parseKeySet({ keys: jwks }, { maxKeys: 10 });
    const next = await parseKeySet({ keys: [changed, jwks[0]] }, { maxKeys: 10 });
    const reused = reuseKeys(next, before);
    expect([...reused.keys.keys()]).toEqual(["b", "a"]);
    expect(reused.keys.get("a")).toBe(before.keys.get("a"));
    expect(reused.keys.get("b")).toBe(next.keys.get("b"));
    expect(reused.keys.get("b")).not.toBe(before.keys.get("b"));
    expect(reuseKeys(next, undefined)).toBe(next);
  });

  it("E9: brings back no key that the new set does not have", async () => {
    const jwks = [await makeJwk("ES256", { kid: "a" }), await makeJwk("ES256", { kid: "b" })];
    const before = await parseKeySet({ keys: jwks }, { maxKeys: 10 });
    const next = await parseKeySet({ keys: [jwks[1]] }, { maxKeys: 10 });
    expect([...reuseKeys(next, before).keys.keys()]).toEqual(["b"]);
  });
});
