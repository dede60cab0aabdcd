import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { isIdempotent, isTokenExpired, readRefusal } from "../../src/client/refusal.js";
import { toConnectError } from "../../src/connect-errors.js";
import { AccessDeniedError, KeysUnavailableError, StepUpRequiredError, TokenRejectedError } from "../../src/errors.js";

const unauthenticated = (challenge?: string): ConnectError =>
  new ConnectError("no", Code.Unauthenticated, challenge === undefined ? {} : { "www-authenticate": challenge });

function withReason(error: ConnectError, reason: string, domain = "latchkey"): ConnectError {
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain } });
  return error;
}

describe("readRefusal()", () => {
  it("tells a refusal before the handler by its Bearer challenge", () => {
    expect(readRefusal(unauthenticated('Bearer realm="x"'))).toBe("before handler");
    expect(readRefusal(unauthenticated('Bearer realm="x", error="invalid_token"'))).toBe("before handler");
    expect(readRefusal(toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old")))).toBe("before handler");
    expect(readRefusal(toConnectError(new TokenRejectedError("ERR_CREDENTIALS_MISSING", "none")))).toBe(
      "before handler",
    );
  });

  it("takes a DPoP challenge for one as well", () => {
    expect(readRefusal(unauthenticated('DPoP algs="ES256"'))).toBe("before handler");
    expect(readRefusal(unauthenticated('dpop error="invalid_token", algs="ES256"'))).toBe("before handler");
    expect(readRefusal(unauthenticated('Bearer error="invalid_token", DPoP algs="ES256"'))).toBe("before handler");
  });

  it("cannot tell without one", () => {
    for (const error of [unauthenticated(), unauthenticated('Basic realm="x"'), unauthenticated("garbage <>")]) {
      expect(readRefusal(error)).toBe("perhaps handled");
    }
    // A handler may pass on the details of an upstream error: they are no proof.
    expect(readRefusal(withReason(unauthenticated(), "TOKEN_REJECTED"))).toBe("perhaps handled");
  });

  it("knows when another token cannot help", () => {
    expect(readRefusal(unauthenticated('Bearer error="invalid_request"'))).toBe("final");
    expect(readRefusal(unauthenticated('Bearer error="insufficient_scope"'))).toBe("final");
    expect(readRefusal(unauthenticated('Bearer error="invalid_token", Bearer error="invalid_request"'))).toBe("final");
    expect(readRefusal(withReason(unauthenticated("Bearer"), "CREDENTIALS_MALFORMED"))).toBe("final");
    expect(readRefusal(withReason(unauthenticated(), "ACCESS_DENIED"))).toBe("final");
  });

  it.each(["insufficient_user_authentication", "use_dpop_nonce", "invalid_dpop_proof"])(
    "keeps the token that %s was said about",
    (error) => {
      expect(readRefusal(unauthenticated(`DPoP error="${error}", algs="ES256"`))).toBe("final");
      expect(readRefusal(unauthenticated(`Bearer realm="x", DPoP error="${error}"`))).toBe("final");
      expect(readRefusal(unauthenticated(`Bearer error="${error}"`))).toBe("final");
    },
  );

  it("goes by the reason where a proxy has taken the challenge away", () => {
    const stepUp = new StepUpRequiredError("", { acrValues: ["gold"] });
    for (const error of [
      stepUp,
      new TokenRejectedError("ERR_PROOF_INVALID", ""),
      new TokenRejectedError("ERR_PROOF_NONCE", ""),
    ]) {
      const { details } = toConnectError(error);
      expect(readRefusal(toConnectError(error, { scheme: "DPoP" }))).toBe("final");
      expect(readRefusal(Object.assign(unauthenticated(), { details }))).toBe("final");
    }
  });

  it("ignores reasons of other domains and unknown ones", () => {
    expect(readRefusal(withReason(unauthenticated("Bearer"), "ACCESS_DENIED", "other.example"))).toBe("before handler");
    expect(readRefusal(withReason(unauthenticated("Bearer"), "toString"))).toBe("before handler");
  });

  it("F5: has nothing to say about other errors", () => {
    for (const error of [
      toConnectError(new AccessDeniedError("ERR_ROLE_MISSING", "no")),
      toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down")),
      new ConnectError("x", Code.Unavailable, { "www-authenticate": 'Bearer error="invalid_token"' }),
      new Error("unauthenticated"),
      undefined,
    ]) {
      expect(readRefusal(error)).toBeUndefined();
    }
  });
});

describe("isIdempotent()", () => {
  it("goes by what the method declares", () => {
    expect(isIdempotent(EchoService.method.get)).toBe(true);
    expect(isIdempotent(EchoService.method.unary)).toBe(false);
  });
});

describe("isTokenExpired()", () => {
  it("tells an expired token from every other refusal", () => {
    expect(isTokenExpired(toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old")))).toBe(true);
    expect(isTokenExpired(toConnectError(new TokenRejectedError("ERR_TOKEN_REVOKED", "gone")))).toBe(false);
    expect(isTokenExpired(unauthenticated('Bearer error="invalid_token"'))).toBe(false);
  });

  it("believes the reason only with the code and the domain that it belongs to", () => {
    expect(isTokenExpired(withReason(new ConnectError("x", Code.Internal), "TOKEN_EXPIRED"))).toBe(false);
    expect(isTokenExpired(withReason(unauthenticated(), "TOKEN_EXPIRED", "other.example"))).toBe(false);
    expect(isTokenExpired(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old"))).toBe(false);
  });
});
