import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_JSON_DEPTH, parseStrictJsonObject } from "../../src/token/strict-json.js";
import { bytesOf } from "../support/raw-token.js";

describe("parseStrictJsonObject()", () => {
  it("gives what JSON.parse gives for every object within the depth", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: MAX_JSON_DEPTH - 2 })),
        (object) => {
          const text = JSON.stringify(object);
          expect(parseStrictJsonObject(bytesOf(text))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it("refuses what JSON.parse refuses, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const parsed = parseStrictJsonObject(bytes);
        if (parsed !== undefined) expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual(parsed);
      }),
    );
  });
});
