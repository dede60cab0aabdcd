import { describe, expect, it } from "vitest";
import { readRegistrationBody } from "../../src/jwks/jwks-admin-body.js";

const JSON_TYPE = { "content-type": "application/json" };
const MAX_BODY_BYTES = 65_536;

function put(body: BodyInit | null, headers: Record<string, string> = JSON_TYPE): Request {
  return new Request("http://admin.test/", { method: "PUT", headers, body, duplex: "half" } as RequestInit);
}

/** A body of that many bytes, in chunks, which counts those that were asked for and whether the rest was given up. */
function chunked(text: string, chunkBytes: number) {
  const bytes = new TextEncoder().encode(text);
  let offset = 0;
  let canceled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (offset >= bytes.length) controller.close();
        else controller.enqueue(bytes.subarray(offset, offset + chunkBytes));
        offset += chunkBytes;
      },
      cancel() {
        canceled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken: () => offset, wasCanceled: () => canceled };
}

/** A registration of exactly that many bytes. */
function registrationOf(bytes: number): string {
  const frame = JSON.stringify({ url: "" });
  return frame.replace('""', `"${"x".repeat(bytes - frame.length)}"`);
}

describe("readRegistrationBody()", () => {
  it("gives the fields as they stand, whatever their values", async () => {
    const body = { url: "https://idp.example/", retries: -1, allowedDomains: [null] };
    expect(await readRegistrationBody(put(JSON.stringify(body)))).toEqual(body);
  });

  it.each([
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json ;charset="UTF-8"',
  ])("takes content-type %s", async (type) => {
    expect(await readRegistrationBody(put("{}", { "content-type": type }))).toEqual({});
  });

  it.each<readonly [string, Record<string, string>]>([
    ["none", {}],
    ["text", { "content-type": "text/plain" }],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }],
    ["other JSON", { "content-type": "application/jwk-set+json" }],
    ["JSON with more behind it", { "content-type": "application/jsonx" }],
    ["two types", { "content-type": "text/plain, application/json" }],
    ["another charset", { "content-type": "application/json; charset=utf-16" }],
    ["gzip", { ...JSON_TYPE, "content-encoding": "gzip" }],
  ])("refuses the type: %s", async (_name, headers) => {
    const body = put(new TextEncoder().encode("{}"), headers);
    await expect(readRegistrationBody(body)).rejects.toMatchObject({
      status: 415,
      code: "ERR_MEDIA_TYPE",
      headers: { accept: "application/json" },
    });
    expect(body.bodyUsed).toBe(false);
  });

  it.each<readonly [string, BodyInit | null]>([
    ["nothing", null],
    ["an empty text", ""],
    ["no JSON", "url=https://idp.example/"],
    ["an array", "[]"],
    ["null", "null"],
    ["a text", '"{}"'],
    ["two values", "{}{}"],
    ["a byte order mark", "\uFEFF{}"],
    ["no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d])],
    ["UTF-16", new Uint8Array([0x7b, 0x00, 0x7d, 0x00])],
    ["a member twice", '{"url":"https://a.example/","url":"https://b.example/"}'],
    ["a number that is none", '{"retries":1e999}'],
    ["deep nesting", `{"url":${"[".repeat(20)}${"]".repeat(20)}}`],
  ])("refuses a body that is %s", async (_name, body) => {
    await expect(readRegistrationBody(put(body))).rejects.toMatchObject({ status: 400, code: "ERR_MALFORMED" });
  });

  it.each([
    "tenantId",
    "providerId",
    "allowLoopbackHttp",
    "fetch",
    "clock",
    "telemetry",
    "onEvent",
    "labels",
    "maxTtl",
    "URL",
  ])("refuses the field %s by its name", async (field) => {
    const refusal = readRegistrationBody(put(JSON.stringify({ url: "https://idp.example/", [field]: 1 })));
    await expect(refusal).rejects.toMatchObject({
      status: 400,
      code: "ERR_FIELD_INVALID",
      field,
      message: `${field} is not a field that can be set here`,
    });
  });

  it.each(["__proto__", "constructor ", "<script>", "a".repeat(41), ""])(
    "refuses the field %j and does not repeat what no field could be called",
    async (field) => {
      const refusal = readRegistrationBody(put(`{${JSON.stringify(field)}: {"allowLoopbackHttp": true}}`));
      await expect(refusal).rejects.toMatchObject({
        status: 400,
        code: "ERR_FIELD_INVALID",
        field: undefined,
        message: "A field of the body is not a field that can be set here",
      });
    },
  );

  it("refuses toString, which every object has, as any other", async () => {
    await expect(readRegistrationBody(put('{"toString":1}'))).rejects.toMatchObject({ field: "toString" });
  });

  it("takes 64 KiB and not a byte more, in whatever pieces it comes", async () => {
    for (const chunkBytes of [1_000, MAX_BODY_BYTES, MAX_BODY_BYTES * 2]) {
      const fits = chunked(registrationOf(MAX_BODY_BYTES), chunkBytes);
      expect(await readRegistrationBody(put(fits.body))).toHaveProperty("url");
      const over = chunked(registrationOf(MAX_BODY_BYTES + 1), chunkBytes);
      await expect(readRegistrationBody(put(over.body))).rejects.toMatchObject({ status: 413 });
    }
  });

  it("reads no further once it is too long", async () => {
    const endless = chunked(registrationOf(10_000_000), 1_000);
    await expect(readRegistrationBody(put(endless.body))).rejects.toMatchObject({ code: "ERR_BODY_TOO_LARGE" });
    expect(endless.taken()).toBe(66_000);
    expect(endless.wasCanceled()).toBe(true);
  });
});
