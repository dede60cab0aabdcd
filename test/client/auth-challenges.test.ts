import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAuthChallenges, readChallengeErrors } from "../../src/client/auth-challenges.js";

const errorsOf = (header: string): (string | undefined)[] =>
  readAuthChallenges(header).map((challenge) => challenge.get("error"));

describe("readAuthChallenges()", () => {
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
    ['DPoP error="invalid_token", Bearer', ["invalid_token", undefined]],
    ['Bearer error="invalid_token", DPoP algs="ES256 PS256"', ["invalid_token", undefined]],
    ['dpop algs="ES256", ERROR=use_dpop_nonce', ["use_dpop_nonce"]],
    ['Basic realm="x", Digest qop="auth"', []],
    [', ,Bearer error="invalid_token",', ["invalid_token"]],
  ])("reads %j", (header, errors) => {
    expect(errorsOf(header)).toEqual(errors);
  });

  it("gives all that a challenge says, by names in lower case", () => {
    const [bearer, dpop, ...rest] = readAuthChallenges(
      'Bearer realm="a, b", ACR_VALUES="gold \\"1\\"", Basic realm="c", DPoP algs="ES256", max_age=5',
    );
    expect([...(bearer ?? [])]).toEqual([
      ["realm", "a, b"],
      ["acr_values", 'gold "1"'],
    ]);
    expect([...(dpop ?? [])]).toEqual([
      ["algs", "ES256"],
      ["max_age", "5"],
    ]);
    expect(rest).toEqual([]);
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
    'Bearer max_age="1", error="invalid_token", MAX_AGE="2"',
    "DPoP abc==",
    'Bearer é="x"',
    "Bearer <script>",
    `Bearer realm="${"a".repeat(5_000)}", error="invalid_token"`,
  ])("finds no challenge in %j", (header) => {
    expect(errorsOf(header)).toEqual([]);
  });

  it("never fails, and takes time in proportion to the length, whatever a server sends", () => {
    const piece = fc.constantFrom("Bearer", "error", "=", '"', "\\", ",", " ", "\t", "invalid_token", "a", "\u00e9");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 500 }), (pieces) => {
        expect(Array.isArray(errorsOf(pieces.join("")))).toBe(true);
      }),
    );
    const startedMs = performance.now();
    for (const text of [
      '"\\'.repeat(2_000),
      "a=".repeat(2_000),
      "a ".repeat(2_000),
      `Bearer a="${"\\".repeat(4_000)}`,
    ]) {
      errorsOf(text);
    }
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

describe("readChallengeErrors()", () => {
  it("reads the challenges of an error", () => {
    const header = 'DPoP error="use_dpop_nonce", Bearer';
    const error = new ConnectError("no", Code.Unauthenticated, { "www-authenticate": header });
    expect(readChallengeErrors(error)).toEqual(["use_dpop_nonce", undefined]);
    expect(readChallengeErrors(new ConnectError("no", Code.Unauthenticated))).toEqual([]);
  });
});
