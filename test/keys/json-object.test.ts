import { describe, expect, it } from "vitest";
import { parseJsonObject } from "../../src/keys/json-object.js";

describe("parseJsonObject()", () => {
  it("gives an object", () => {
    expect(parseJsonObject('{"a":1}')).toEqual({ a: 1 });
  });

  it.each(["", "{", "[]", "null", '"text"', "1", "{} {}"])("gives undefined for %j", (text) => {
    expect(parseJsonObject(text)).toBeUndefined();
  });
});
