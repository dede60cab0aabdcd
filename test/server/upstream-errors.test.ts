import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { toConnectError } from "../../src/connect-errors.js";
import { TokenRejectedError, TokenSourceError } from "../../src/errors.js";
import { hideUpstreamRefusal } from "../../src/server/upstream-errors.js";

function createWireError(code: Code): ConnectError {
  const error = new ConnectError("from upstream", code);
  error.isWireError = true;
  return error;
}

describe("hideUpstreamRefusal()", () => {
  it("G8: makes internal of an upstream's unauthenticated, and keeps it as cause", () => {
    const upstream = createWireError(Code.Unauthenticated);
    expect(hideUpstreamRefusal(upstream)).toMatchObject({
      code: Code.Internal,
      rawMessage: "internal error",
      cause: upstream,
    });
  });

  it("G8: makes internal of a token that could not be had for an upstream", () => {
    const refused = toConnectError(new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "refused"));
    expect(hideUpstreamRefusal(refused)).toMatchObject({ code: Code.Internal, cause: refused });
  });

  it("G8: makes internal of a 401 that a proxy answered in the upstream's place", () => {
    for (const refused of [
      new ConnectError("HTTP 401", Code.Unauthenticated, { "www-authenticate": "Bearer" }),
      new ConnectError("no", Code.Unauthenticated, { "www-authenticate": "Bearer", "grpc-message": "no" }),
    ]) {
      expect(hideUpstreamRefusal(refused)).toMatchObject({ code: Code.Internal, cause: refused });
    }
  });

  it("leaves every other error as it is", () => {
    for (const error of [
      createWireError(Code.PermissionDenied),
      createWireError(Code.Unavailable),
      new ConnectError("log in first", Code.Unauthenticated),
      toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired")),
      new TypeError("bug"),
      undefined,
    ]) {
      expect(hideUpstreamRefusal(error)).toBe(error);
    }
  });
});
