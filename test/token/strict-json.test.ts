import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toBytes } from "../../src/testing/raw-part.js";
import { MAX_JSON_DEPTH, parseStrictJsonObject } from "../../src/token/strict-json.js";

describe("parseStrictJsonObject()", () => {
  it("gives what JSON.parse gives for every object within the depth", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: MAX_JSON_DEPTH - 2 })),
        (object) => {
          const text = JSON.stringify(object);
          expect(parseStrictJsonObject(toBytes(text))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it("B10: refuses an object if and only if an object in it has a member twice, however its name is spelt", () => {
    const names = fc.constantFrom("a", "b", "\\u0061", "1", "01", "__proto__", "\\u005f_proto__", "{", ":,", '\\"');
    const { object } = fc.letrec<{ value: Written; object: Written }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constant({ json: '"a:,{"', isUnique: true }),
        tie("object"),
        list(tie("value")),
      ),
      object: fc.array(fc.tuple(names, tie("value")), { maxLength: 4 }).map(writeObject),
    }));
    fc.assert(
      fc.property(object, ({ json, isUnique }) => {
        const parsed = parseStrictJsonObject(toBytes(json));
        expect(parsed).toEqual(isUnique ? JSON.parse(json) : undefined);
      }),
      { numRuns: 500 },
    );
  });

  it("takes as many values as it may, and refuses one more", () => {
    const takes = (json: string, maxValues: number): boolean =>
      parseStrictJsonObject(toBytes(json), { maxValues }) !== undefined;
    for (const json of ['{"a":1,"b":2,"c":3}', '{"a":[1,2]}', '{"a":{"b":{}}}', '{"a":"1,2,3[{","b":[3]}']) {
      expect([takes(json, 3), takes(json, 2)]).toEqual([true, false]);
    }
    expect(takes(`{"a":[0${",0".repeat(100_000)}]}`, Number.POSITIVE_INFINITY)).toBe(true);
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

/** A JSON text, and whether no object in it has a member twice. */
interface Written {
  readonly json: string;
  readonly isUnique: boolean;
}

function writeObject(members: readonly (readonly [string, Written])[]): Written {
  const names = new Set(members.map(([name]) => JSON.parse(`"${name}"`)));
  return {
    json: `{${members.map(([name, { json }]) => `"${name}" : ${json}`).join(", ")}}`,
    isUnique: names.size === members.length && members.every(([, { isUnique }]) => isUnique),
  };
}

function list(entry: fc.Arbitrary<Written>): fc.Arbitrary<Written> {
  return fc.array(entry, { maxLength: 3 }).map((entries) => ({
    json: `[${entries.map(({ json }) => json).join()}]`,
    isUnique: entries.every(({ isUnique }) => isUnique),
  }));
}
