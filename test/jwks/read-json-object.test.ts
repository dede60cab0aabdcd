import { describe, expect, it } from "vitest";
import { readJsonObject } from "../../src/jwks/read-json-object.js";

const { signal } = new AbortController();
const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

function read(body: BodyInit | null, init: ResponseInit = {}, maxBytes = 1_000, by = signal) {
  const response = new Response(body, { headers: JSON_TYPE, ...init });
  return readJsonObject({ response, subject: "list of revocations", maxBytes }, by);
}

function refusal(what: string) {
  const message = `The request for the list of revocations was answered with ${what}`;
  return { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID", message };
}

describe("readJsonObject()", () => {
  it("gives the document, which nobody can change", async () => {
    const document = await read('{"a":[{"b":"ключ"}]}');
    expect(document).toEqual({ a: [{ b: "ключ" }] });
    expect(Object.isFrozen(document["a"])).toBe(true);
  });

  it("H13: refuses another status and another type", async () => {
    await expect(read("{}", { status: 404 })).rejects.toMatchObject(refusal("status 404"));
    const html = { headers: { "content-type": "text/html" } };
    await expect(read("{}", html)).rejects.toMatchObject(refusal("another type than JSON"));
  });

  it("H12: takes as many bytes as it may, and not one more", async () => {
    const text = '{"a":"🔑"}';
    const { byteLength } = new TextEncoder().encode(text);
    expect(await read(text, {}, byteLength)).toEqual({ a: "🔑" });
    await expect(read(text, {}, byteLength - 1)).rejects.toMatchObject(refusal(`more than ${byteLength - 1} bytes`));
  });

  it.each([
    ["no body", null],
    ["half a document", '{"a":'],
    ["a list", "[]"],
    ["null", "null"],
    ["a mark of byte order", "\ufeff{}"],
    ["bytes that are no character", Uint8Array.of(0x7b, 0xff, 0x7d)],
  ])("H13: refuses %s", async (_, body) => {
    await expect(read(body)).rejects.toMatchObject(refusal("something that is not a JSON object"));
  });

  it("B10: refuses a member that is there twice", async () => {
    await expect(read('{"a":1,"a":2}')).rejects.toMatchObject(refusal("something that is not a JSON object"));
  });

  it("ends with the reason of the signal", async () => {
    const leaving = new AbortController();
    const reading = read(new ReadableStream(), {}, 1_000, leaving.signal);
    leaving.abort(new Error("gone"));
    await expect(reading).rejects.toThrow("gone");
  });
});
