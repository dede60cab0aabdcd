import { describe, expect, it } from "vitest";
import { readExpiryHintMs } from "../../src/client/expiry-hint.js";

const encode = (text: string): string => Buffer.from(text).toString("base64url");

describe("readExpiryHintMs()", () => {
  it("reads it whatever the header says", () => {
    const payload = encode('{"exp":1800000000.5}');
    for (const header of ['{"alg":"ES256"}', '{"alg":"none","crit":["x"]}', "no JSON"]) {
      expect(readExpiryHintMs(`${encode(header)}.${payload}.c2ln`)).toBe(1_800_000_000_500);
    }
  });

  it.each([
    "opaque",
    "",
    "a.b",
    `a.${encode('{"exp":1}')}.b.c`,
    `a.${encode('{"exp":1}').slice(0, -1)}.b`,
    `a.${encode('{"exp":1}')}=.b`,
    `a.${encode("{}")}.b`,
    `a.${encode('{"exp":"1800000000"}')}.b`,
    `a.${encode('{"exp":1e999}')}.b`,
    `a.${encode('{"exp":1,"exp":2}')}.b`,
    `a.${encode('{"__proto__":{"exp":1}}')}.b`,
  ])("K6: has no hint in %j", (token) => {
    expect(readExpiryHintMs(token)).toBeUndefined();
  });
});
