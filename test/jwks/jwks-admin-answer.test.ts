import { describe, expect, it } from "vitest";
import { toErrorResponse, toResponse } from "../../src/jwks/jwks-admin-answer.js";
import { JwksAdminRefusal } from "../../src/jwks/jwks-admin-refusal.js";

describe("toResponse()", () => {
  it("sends JSON of a known length, which no cache may hold", async () => {
    const response = toResponse({ status: 201, body: { name: "é" } });
    expect([response.status, Object.fromEntries(response.headers)]).toEqual([
      201,
      { "cache-control": "no-store", "content-type": "application/json", "content-length": "13" },
    ]);
    expect(await response.text()).toBe('{"name":"é"}');
  });

  it("sends nothing where there is nothing", () => {
    const response = toResponse({ status: 204 });
    expect([response.status, response.body, Object.fromEntries(response.headers)]).toEqual([
      204,
      null,
      { "cache-control": "no-store" },
    ]);
  });
});

describe("toErrorResponse()", () => {
  it("has one shape, with the field where one is to blame, and the headers of the refusal", async () => {
    const headers = { allow: "GET" };
    const refusals = [
      new JwksAdminRefusal(405, "ERR_METHOD_NOT_ALLOWED", "no", { headers }),
      new JwksAdminRefusal(400, "ERR_FIELD_INVALID", "no", { field: "url" }),
    ];
    const [refused, blamed] = refusals.map(toErrorResponse);
    expect([refused?.status, refused?.headers.get("allow"), await refused?.json()]).toEqual([
      405,
      "GET",
      { error: { code: "ERR_METHOD_NOT_ALLOWED", message: "no" } },
    ]);
    expect([blamed?.status, blamed?.headers.get("cache-control"), await blamed?.json()]).toEqual([
      400,
      "no-store",
      { error: { code: "ERR_FIELD_INVALID", message: "no", field: "url" } },
    ]);
  });
});
