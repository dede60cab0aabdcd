import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBearerErrors } from "../../src/client/bearer-challenge.js";

describe("readBearerErrors()", () => {
  it.each<[string, (string | undefined)[]]>([
    ["Bearer", [undefined]],
    ["bearer", [undefined]],
    ['Bearer realm="latchkey"', [undefined]],
    ['Bearer realm="latchkey", error="invalid_token"', ["invalid_token"]],
    ['Bearer error="invalid_token",realm="latchkey"', ["invalid_token"]],
    ["BEARER ERROR=invalid_token", ["invalid_token"]],
    ['Bearer error = "invalid_token" , realm = "a"', ["invalid_token"]],
    ['Bearer error="invalid_\\token"', ["invalid_token"]],
    ['Bearer realm="say \\"hi\\", error=\\"x\\"", error="invalid_request"', ["invalid_request"]],
    ['Bearer realm="a, error=insufficient_scope"', [undefined]],
    ['Basic realm="x", Bearer error="invalid_token"', ["invalid_token"]],
    ['Bearer error="invalid_token", Basic realm="x"', ["invalid_token"]],
    ['Bearer realm="a", Bearer realm="b", error="invalid_token"', [undefined, "invalid_token"]],
    ['Negotiate abc==, Bearer error="invalid_token"', ["invalid_token"]],
    ['DPoP error="invalid_token", Bearer', [undefined]],
    [', ,Bearer error="invalid_token",', ["invalid_token"]],
  ])("reads %j", (header, errors) => {
    expect(readBearerErrors(header)).toEqual(errors);
  });

  it.each([
    "",
    "Basic",
    'Basic error="invalid_token"',
    "Bearerx",
    'Bearer error="invalid_token',
    'Bearer error="invalid_token" realm="x"',
    "Bearer error=",
    'error="invalid_token"',
    'Bearer error="invalid_token", error="invalid_request"',
    'Bearer error="invalid_token", error="invalid_token"',
    'Bearer error="invalid_token"; realm="x"',
    'Bearer é="x"',
    "Bearer <script>",
    `Bearer realm="${"a".repeat(5_000)}", error="invalid_token"`,
  ])("finds no challenge in %j", (header) => {
    expect(readBearerErrors(header)).toEqual([]);
  });

  it("never fails, and takes time in proportion to the length, whatever a server sends", () => {
    const piece = fc.constantFrom("Bearer", "error", "=", '"', "\\", ",", " ", "\t", "invalid_token", "a", "\u00e9");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 500 }), (pieces) => {
        expect(Array.isArray(readBearerErrors(pieces.join("")))).toBe(true);
      }),
    );
    const startedMs = performance.now();
    for (const text of [
      '"\\'.repeat(2_000),
      "a=".repeat(2_000),
      "a ".repeat(2_000),
      `Bearer a="${"\\".repeat(4_000)}`,
    ]) {
      readBearerErrors(text);
    }
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});
