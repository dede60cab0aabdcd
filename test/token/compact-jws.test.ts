import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { encodePart, type RawPart } from "../../src/testing/raw-part.js";
import { parseCompactJws, TOKEN_LIMITS } from "../../src/token/compact-jws.js";
import { costOfRuns } from "../support/cost-of-runs.js";
import { unsignedToken } from "../support/forge.js";

const HEADER = { alg: "ES256", kid: "k1", typ: "at+jwt" };

function refuses(token: string): void {
  expect(() => parseCompactJws(token)).toThrow(expect.objectContaining({ code: "ERR_TOKEN_MALFORMED" }));
}

/** Refuses a token 10,000 times, and each time at a cost that does not depend on what it asks for. */
function refusesCheaply(token: string): void {
  refuses(token);
  const cost = costOfRuns(10_000, () => {
    try {
      parseCompactJws(token);
    } catch {}
  });
  expect(cost.medianMs).toBeLessThan(5);
  expect(cost.medianBytes).toBeLessThan(64 * 1024);
  expect(cost.retainedBytes).toBeLessThan(1024 * 1024);
}

describe("parseCompactJws()", () => {
  it("gives the parts of a well-formed token", () => {
    const jws = parseCompactJws(unsignedToken({ header: HEADER, payload: { sub: "alice" } }));
    expect(jws).toMatchObject({ alg: "ES256", kid: "k1", typ: "at+jwt", payload: { sub: "alice" } });
    expect(jws.signingInput.split(".")).toHaveLength(2);
    expect(jws.signature).toHaveLength(64);
  });

  it("gives each token its own header, however many came before", () => {
    const kids = Array.from({ length: 40 }, (_, index) => `k${index % 20}`);
    for (const kid of kids) {
      const jws = parseCompactJws(unsignedToken({ header: { ...HEADER, kid }, payload: {} }));
      expect(jws).toMatchObject({ kid, header: { ...HEADER, kid } });
    }
    refuses(unsignedToken({ header: { ...HEADER, b64: false }, payload: {} }));
    refuses(unsignedToken({ header: { ...HEADER, b64: false }, payload: {} }));
  });

  it("freezes what it gives, all the way down", () => {
    const header = { ...HEADER, list: [{}] };
    const parsed = parseCompactJws(unsignedToken({ header, payload: { nested: { list: [{}] } } }));
    const { payload } = parsed;
    const list = parsed.header["list"] as object[];
    for (const part of [parsed.header, list, list[0]]) expect(Object.isFrozen(part)).toBe(true);
    const nested = payload["nested"] as { list: object[] };
    for (const part of [payload, nested, nested.list, nested.list[0]]) expect(Object.isFrozen(part)).toBe(true);
  });

  it.each([
    ["no dot", "abc"],
    ["one dot", "abc.def"],
    ["three dots", `${unsignedToken({ header: HEADER, payload: {} })}.x`],
    ["an empty text", ""],
    ["an empty signature", `${encodePart(HEADER)}.${encodePart({})}.`],
    ["an empty payload", `${encodePart(HEADER)}..AAAA`],
  ])("refuses %s", (_, token) => refuses(token));

  it.each([null, 1, ["ES256"], {}, undefined])("A1: refuses alg %j", (alg) => {
    refuses(unsignedToken({ header: { ...HEADER, alg }, payload: {} }));
  });

  it.each([1, null, [], {}, "", "a b", "a\nb", "a\r\nb", "a\u0000b", "é", "x".repeat(257)])(
    "A9: refuses kid %j",
    (kid) => {
      refuses(unsignedToken({ header: { ...HEADER, kid }, payload: {} }));
    },
  );

  it("A9: takes a kid of 256 visible characters as it stands", () => {
    const kid = "../'%_".padEnd(256, "x");
    expect(parseCompactJws(unsignedToken({ header: { ...HEADER, kid }, payload: {} })).kid).toBe(kid);
  });

  it("B1: refuses encrypted tokens, of five parts and of three, without doing what they ask for", () => {
    refusesCheaply(`${encodePart({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2 ** 31 - 1 })}.AA.AA.AA.AA`);
    const bomb = encodePart(deflateRawSync(Buffer.alloc(4 * 1024 * 1024)));
    refusesCheaply(`${encodePart({ alg: "dir", enc: "A128GCM", zip: "DEF" })}..AA.${bomb}.AA`);
    refusesCheaply(unsignedToken({ header: { ...HEADER, enc: "A128GCM" }, payload: {} }));
  });

  it("B2: refuses a token of dots and one over the limit before splitting it, and keeps nothing of them", () => {
    refusesCheaply(".".repeat(TOKEN_LIMITS.maxTokenBytes));
    refusesCheaply(".".repeat(60_000));
    const filler = "x".repeat(TOKEN_LIMITS.maxTokenBytes);
    refuses(unsignedToken({ header: HEADER, payload: { filler } }));
  });

  it("B2: refuses a header over its limit in a token within the limit", () => {
    refuses(unsignedToken({ header: { ...HEADER, filler: "x".repeat(TOKEN_LIMITS.maxHeaderBytes) }, payload: {} }));
  });

  it("B3: refuses JSON serialization, flattened and general, and a polyglot of both forms", () => {
    const [header, payload, signature] = unsignedToken({ header: HEADER, payload: {} }).split(".");
    refuses(JSON.stringify({ protected: header, payload, signature }));
    refuses(JSON.stringify({ payload, signatures: [{ protected: header, signature }] }));
    refuses(`{"protected":"${header}","payload":"${payload}","x":".${payload}.","signature":"${signature}"}`);
  });

  it.each([[["exp"]], [[]], ["exp"], [["b64", "b64"]], [["absent"]], [["__proto__"]], [null]])(
    "B4: refuses crit %j",
    (crit) => refuses(unsignedToken({ header: { ...HEADER, crit }, payload: {} })),
  );

  it("B5: refuses b64, with and without crit", () => {
    refuses(unsignedToken({ header: { ...HEADER, b64: false, crit: ["b64"] }, payload: {} }));
    refuses(unsignedToken({ header: { ...HEADER, b64: false }, payload: {} }));
    refuses(unsignedToken({ header: { ...HEADER, b64: true }, payload: {} }));
    refuses(`${encodePart({ ...HEADER, b64: false })}.{"sub":"alice"}.AAAA`);
  });

  it("refuses a compressed payload", () => refuses(unsignedToken({ header: { ...HEADER, zip: "DEF" }, payload: {} })));

  it.each(["JWT", "jwt", "application/JWT"])("B7: refuses cty %s", (cty) => {
    refuses(unsignedToken({ header: { ...HEADER, cty }, payload: {} }));
  });

  it("B7: refuses a payload that is a token", () => {
    refuses(`${encodePart(HEADER)}.${unsignedToken({ header: HEADER, payload: {} }).replaceAll(".", "")}.AAAA`);
    refuses(unsignedToken({ header: HEADER, payload: unsignedToken({ header: HEADER, payload: {} }) }));
  });

  it.each([[[]], ["text"], [null], [7], [true]])("B8: refuses payload %j", (payload) => {
    refuses(unsignedToken({ header: HEADER, payload: JSON.stringify(payload) }));
  });

  it.each<readonly [string, RawPart]>([
    ["invalid UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)],
    ["an encoded surrogate", Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d)],
    ["a byte order mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)],
    ["UTF-16", Uint8Array.of(0x7b, 0x00, 0x7d, 0x00)],
    ["an escaped lone surrogate", '{"sub":"\\ud800"}'],
    ["a lone surrogate as a name", '{"\\ud800":1}'],
    ["trailing text", "{}x"],
    ["a second value", "{}{}"],
    ["a comment", "{/**/}"],
    ["NaN", '{"exp":NaN}'],
    ["a number that overflows", '{"exp":1e999}'],
    ["an unclosed string", '{"a'],
    ["nothing", " "],
  ])("B9: refuses %s", (_, payload) => {
    refuses(`${encodePart(HEADER)}.${encodePart(payload)}.AAAA`);
  });

  it.each([
    '{"exp":1,"exp":2}',
    '{"exp":2,"exp":1}',
    '{"sub":"alice","sub":"bob"}',
    '{"exp":1,"\\u0065xp":2}',
    '{"a":{"b":1, "b" :2}}',
    '{"a":[{"b":1},{"b":1,"b":1}]}',
  ])("B10: refuses members that occur twice: %s", (json) => {
    refuses(`${encodePart(HEADER)}.${encodePart(json)}.AAAA`);
  });

  it("B10: refuses alg twice", () => {
    refuses(`${encodePart('{"alg":"ES256","alg":"none"}')}.${encodePart({})}.AAAA`);
  });

  it("B10: takes one name in several objects, and as a value", () => {
    const payload = { a: { b: "a" }, b: [{ a: 1 }, { a: 1 }], c: "a" };
    expect(parseCompactJws(unsignedToken({ header: HEADER, payload })).payload).toEqual(payload);
  });

  it("B11: takes 16 levels and refuses 17, objects and arrays alike", () => {
    const objects = (levels: number): RawPart => ({ a: levels === 1 ? 1 : objects(levels - 1) });
    expect(parseCompactJws(unsignedToken({ header: HEADER, payload: objects(16) })).payload).toBeDefined();
    refuses(unsignedToken({ header: HEADER, payload: objects(17) }));
    refuses(`${encodePart(HEADER)}.${encodePart(`{"a":${"[".repeat(2_500)}${"]".repeat(2_500)}}`)}.AAAA`);
    refuses(`${encodePart("[".repeat(700))}.${encodePart({})}.AAAA`);
  });

  it("B11: refuses more than 512 values, in header and payload alike", () => {
    const groups = (count: number): RawPart => ({ groups: Array.from({ length: count }, (_, index) => index) });
    expect(parseCompactJws(unsignedToken({ header: HEADER, payload: groups(511) })).payload).toEqual(groups(511));
    refuses(unsignedToken({ header: HEADER, payload: groups(512) }));
    const named = Object.fromEntries(Array.from({ length: 513 }, (_, index) => [index.toString(36), 1]));
    refuses(unsignedToken({ header: HEADER, payload: named }));
    refuses(unsignedToken({ header: { ...HEADER, x: Array.from({ length: 520 }, () => 1) }, payload: {} }));
  });

  it("B11: does not count brackets inside texts", () => {
    const payload = { a: "[{".repeat(40), b: '"]\\' };
    expect(parseCompactJws(unsignedToken({ header: HEADER, payload })).payload).toEqual(payload);
  });

  it("B12: keeps __proto__ as a claim without power", () => {
    const token = `${encodePart(HEADER)}.${encodePart('{"__proto__":{"roles":["admin"]}}')}.AAAA`;
    const { payload } = parseCompactJws(token);
    expect(payload["roles"]).toBeUndefined();
    expect(Object.hasOwn(payload, "__proto__")).toBe(true);
  });

  it("B13: refuses every second spelling of the same bytes", () => {
    const token = unsignedToken({ header: HEADER, payload: { sub: "alice" } });
    const [header = "", payload = "", signature = ""] = token.split(".");
    const unusedBits = `${signature.slice(0, -1)}${signature.endsWith("A") ? "B" : "A"}`;
    refuses(`${header}.${payload}.${signature}==`);
    refuses(`${header}.${payload}=.${signature}`);
    refuses(`${header}.${payload}\n.${signature}`);
    refuses(` ${token}`);
    refuses(`${token} `);
    refuses(`${header}.${payload}.${unusedBits}`);
    refuses(`${header}.${payload}.${signature.slice(0, -2)}+/`);
    refuses(`${header}.${payload}.${signature}é`);
    refuses(`${header}.${payload}.${signature.slice(0, 85)}`);
  });
});
