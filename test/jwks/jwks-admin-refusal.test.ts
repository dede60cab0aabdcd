import { describe, expect, it } from "vitest";
import { AccessDeniedError, CredentialError, KeysUnavailableError, TokenRejectedError } from "../../src/errors.js";
import { JwksAdminRefusal, toAuthorizeRefusal, toRefreshRefusal } from "../../src/jwks/jwks-admin-refusal.js";

describe("toAuthorizeRefusal()", () => {
  it.each<readonly [TokenRejectedError["code"], string]>([
    ["ERR_CREDENTIALS_MISSING", 'Bearer realm="latchkey"'],
    ["ERR_CREDENTIALS_MALFORMED", 'Bearer realm="latchkey", error="invalid_request"'],
    ["ERR_TOKEN_EXPIRED", 'Bearer realm="latchkey", error="invalid_token"'],
    ["ERR_TOKEN_SIGNATURE", 'Bearer realm="latchkey", error="invalid_token"'],
    ["ERR_KEY_NOT_FOUND", 'Bearer realm="latchkey", error="invalid_token"'],
    ["ERR_TOKEN_REVOKED", 'Bearer realm="latchkey", error="invalid_token"'],
  ])("F5: answers %s with 401 and a challenge", (code, challenge) => {
    const refusal = toAuthorizeRefusal(new TokenRejectedError(code, "why"));
    expect(refusal).toMatchObject({ status: 401, headers: { "www-authenticate": challenge } });
    expect(refusal?.message).not.toContain("why");
  });

  it("F5: answers missing rights with 403", () => {
    expect(toAuthorizeRefusal(new AccessDeniedError("ERR_ORG_MISSING", "why"))).toMatchObject({
      status: 403,
      headers: { "www-authenticate": 'Bearer realm="latchkey", error="insufficient_scope"' },
    });
  });

  it("answers what nobody can say at present with 503 and no challenge", () => {
    const codes = [
      "ERR_KEYS_UNAVAILABLE",
      "ERR_KEYS_INVALID",
      "ERR_REVOCATION_UNAVAILABLE",
      "ERR_TOO_MANY_PENDING",
    ] as const;
    for (const code of codes) {
      expect(toAuthorizeRefusal(new KeysUnavailableError(code, "why"))).toMatchObject({
        status: 503,
        code: "ERR_UNAVAILABLE",
        headers: {},
      });
    }
  });

  it.each([
    [1, "1"],
    [1_000, "1"],
    [1_001, "2"],
    [0, "0"],
    [-5, "0"],
  ])("rounds a wait of %d ms up to %s s", (retryAfterMs, seconds) => {
    const error = new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "why", { retryAfterMs });
    expect(toAuthorizeRefusal(error)?.headers).toEqual({ "retry-after": seconds });
    expect(toRefreshRefusal(error)?.headers).toEqual({ "retry-after": seconds });
  });

  it("has no answer for what is no refusal", () => {
    const others = [
      new Error("x"),
      new CredentialError("ERR_KEY_MISSING", "x"),
      undefined,
      "401",
      new JwksAdminRefusal(404, "ERR_NOT_FOUND", "x"),
    ];
    for (const error of others) expect(toAuthorizeRefusal(error)).toBeUndefined();
  });
});

describe("toRefreshRefusal()", () => {
  it("tells an issuer that answers nonsense from one that does not answer", () => {
    expect(toRefreshRefusal(new KeysUnavailableError("ERR_KEYS_INVALID", "not JSON"))).toMatchObject({
      status: 502,
      code: "ERR_KEYS_INVALID",
      message: "not JSON",
    });
    for (const code of ["ERR_KEYS_UNAVAILABLE", "ERR_TOO_MANY_PENDING"] as const) {
      expect(toRefreshRefusal(new KeysUnavailableError(code, "not now"))).toMatchObject({
        status: 503,
        code: "ERR_KEYS_UNAVAILABLE",
        message: "not now",
      });
    }
  });

  it("has no answer for any other failure", () => {
    for (const error of [new Error("x"), new TokenRejectedError("ERR_KEY_NOT_FOUND", "x")]) {
      expect(toRefreshRefusal(error)).toBeUndefined();
    }
  });
});
