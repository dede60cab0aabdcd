import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { readJsonBody } from "../../src/jwks/read-body.js";

const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const never = new AbortController().signal;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A response that comes in these pieces; counts how many were asked for. */
function inPieces(...pieces: readonly Uint8Array[]): { readonly response: Response; readonly pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[pulled++];
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
  return { response: new Response(body), pulled: () => pulled };
}

describe("readJsonBody()", () => {
  it("puts characters together that were cut apart", async () => {
    const text = '{"name":"ключ 🔑"}';
    const { response } = inPieces(...[...bytes(text)].map((byte) => Uint8Array.of(byte)));
    expect(await readJsonBody(response, 1_000, never)).toEqual({ name: "ключ 🔑" });
  });

  it("H12: counts bytes, not characters, to the one", async () => {
    const text = '"🔑🔑🔑"';
    expect(await readJsonBody(new Response(text), bytes(text).length, never)).toBe("🔑🔑🔑");
    await expect(readJsonBody(new Response(text), bytes(text).length - 1, never)).rejects.toMatchObject({
      ...INVALID,
      message: "The answer for the key set is longer than 13 bytes",
    });
  });

  it("H12: asks for nothing beyond the piece that exceeds the cap, whatever length was announced", async () => {
    const pieces = Array.from({ length: 100 }, () => bytes(" ".repeat(10)));
    const { response, pulled } = inPieces(...pieces);
    response.headers.set("content-length", "5");
    await expect(readJsonBody(response, 25, never)).rejects.toMatchObject(INVALID);
    expect(pulled()).toBe(3);
  });

  it.each([
    ["no body", new Response(null)],
    ["a character cut off at the end", new Response(Uint8Array.from([...bytes('"'), 0xf0, 0x9f]))],
    ["bytes that are no character", new Response(Uint8Array.from([0x22, 0xff, 0x22]))],
    ["two documents", new Response("{}{}")],
    ["a number that JSON does not have", new Response("NaN")],
  ])("H13: refuses %s", async (_name, response) => {
    await expect(readJsonBody(response, 1_000, never)).rejects.toMatchObject(INVALID);
  });

  it("takes nesting of 16 levels, whatever brackets stand in texts, and refuses one level more", async () => {
    const nested = (levels: number): string => `${"[".repeat(levels)}"\\"[[{{${"[".repeat(20)}"${"]".repeat(levels)}`;
    await expect(readJsonBody(new Response(nested(16)), 1_000, never)).resolves.toBeInstanceOf(Array);
    await expect(readJsonBody(new Response(nested(17)), 1_000, never)).rejects.toMatchObject({
      ...INVALID,
      message: "The answer for the key set nests too deeply",
    });
    const wide = JSON.stringify(Array.from({ length: 50 }, () => [{}]));
    await expect(readJsonBody(new Response(wide), 1_000, never)).resolves.toHaveLength(50);
  });

  it("refuses nesting that would exhaust the stack of the parser's users", async () => {
    const deep = new Response("[".repeat(200_000) + "]".repeat(200_000));
    await expect(readJsonBody(deep, 500_000, never)).rejects.toMatchObject(INVALID);
  });

  it("takes the last of two members of one name", async () => {
    expect(await readJsonBody(new Response('{"a":1,"a":2}'), 1_000, never)).toEqual({ a: 2 });
  });

  it("A15: quotes nothing of what it could not read", async () => {
    const error: unknown = await readJsonBody(new Response('{"d":"secret'), 1_000, never).catch((e: unknown) => e);
    expect(error).toMatchObject(INVALID);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret");
    expect((error as Error).cause).toBeUndefined();
  });

  it("H11: stops waiting for a body that hangs when the signal aborts", async () => {
    const leaving = new AbortController();
    const hanging = new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
    const read = readJsonBody(hanging, 1_000, leaving.signal);
    leaving.abort(new Error("gone"));
    await expect(read).rejects.toThrow("gone");
  });
});
