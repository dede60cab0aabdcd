import { exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createStaticSource } from "../../src/verify/static-source.js";

const FIELD = "issuers[0].keys";
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };

describe("createStaticSource()", () => {
  let first: JWK;
  let second: JWK;
  beforeAll(async () => {
    first = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "first" };
    second = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "second" };
  });

  it("gives each key by its kid, always the same one, with no record of its holder", async () => {
    const source = createStaticSource({ keys: [first, second] }, FIELD);
    const found = await source.getKey("second", "ES256");
    expect(found.principal).toBeUndefined();
    expect((await source.getKey("second", "ES256")).handle).toBe(found.handle);
    expect((await source.getKey("first", "ES256")).key).not.toBe(found.key);
    expect(source.isCurrent("second", "ES256", found.handle)).toBe(true);
  });

  it("A13: knows no other kid, those that every object inherits among them", async () => {
    const source = createStaticSource({ keys: [first] }, FIELD);
    for (const kid of ["second", "", "FIRST", "first ", "__proto__", "constructor"]) {
      await expect(source.getKey(kid, "ES256")).rejects.toMatchObject(NOT_FOUND);
    }
  });

  it("A5: gives no key for an algorithm that it does not serve", async () => {
    const source = createStaticSource({ keys: [first] }, FIELD);
    for (const algorithm of ["ES384", "RS256", "HS256", "none", ""]) {
      await expect(source.getKey("first", algorithm)).rejects.toMatchObject({ code: "ERR_KEY_UNUSABLE" });
    }
  });

  it("leaves out keys for other purposes, as long as one is left", async () => {
    const source = createStaticSource(
      { keys: [{ ...second, use: "enc" }, { ...second, alg: "ECDH-ES" }, first] },
      FIELD,
    );
    await expect(source.getKey("first", "ES256")).resolves.toBeDefined();
    await expect(source.getKey("second", "ES256")).rejects.toMatchObject(NOT_FOUND);
  });

  it("C7: a point off its curve is no key, and the other keys serve on", async () => {
    const { x = "", y = "" } = second;
    const source = createStaticSource({ keys: [first, { ...second, x: y, y: x }] }, FIELD);
    await expect(source.getKey("first", "ES256")).resolves.toBeDefined();
    await expect(source.getKey("second", "ES256")).rejects.toMatchObject(NOT_FOUND);
  });

  it("takes as many keys as are configured", async () => {
    const keys = Array.from({ length: 150 }, (_, index) => ({ ...first, kid: `key-${index}` }));
    const source = createStaticSource({ keys }, FIELD);
    await expect(source.getKey("key-149", "ES256")).resolves.toBeDefined();
  });

  it("A6: reads a member once, so that it cannot say one thing now and another later", async () => {
    let reads = 0;
    const shifting = Object.defineProperty({ ...first }, "x", {
      enumerable: true,
      get: () => (reads++ === 0 ? first.x : second.x),
    });
    const source = createStaticSource({ keys: [shifting] }, FIELD);
    await expect(source.getKey("first", "ES256")).resolves.toBeDefined();
    expect(reads).toBe(1);
  });
});
