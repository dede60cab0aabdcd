import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { isConnectionError, isLeaseLost, isTokenExpired, isTransient } from "../../../src/app/cli/error-info.js";
import { toConnectError } from "../../../src/connect-errors.js";
import { KeysUnavailableError, TokenRejectedError } from "../../../src/errors.js";

const expired = toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", ""));
const rejected = toConnectError(new TokenRejectedError("ERR_TOKEN_SIGNATURE", ""));
const overloaded = toConnectError(new KeysUnavailableError("ERR_TOO_MANY_PENDING", ""));
const withCause = (cause: unknown): ConnectError => new ConnectError("x", Code.Internal, undefined, undefined, cause);
const system = (code: string): Error => Object.assign(new Error(code), { code });

describe("isTokenExpired()", () => {
  it("tells an expired token from a bad one", () => {
    expect([isTokenExpired(expired), isTokenExpired(rejected)]).toEqual([true, false]);
  });
});

describe("isTransient()", () => {
  it.each([
    [new ConnectError("x", Code.Unavailable), true],
    [new ConnectError("x", Code.Aborted), true],
    [new ConnectError("x", Code.DeadlineExceeded), true],
    [overloaded, true],
    [new ConnectError("too many events", Code.ResourceExhausted), false],
    [withCause(system("EPIPE")), true],
    [withCause(system("ERR_HTTP2_STREAM_ERROR")), true],
    [withCause(new Error("x")), false],
    [new ConnectError("x", Code.Internal), false],
    [rejected, false],
    [new TypeError("a mistake"), false],
  ])("%# %s: %s", (error, transient) => {
    expect(isTransient(error)).toBe(transient);
  });
});

describe("isConnectionError()", () => {
  it("knows errors of the network by their code", () => {
    expect(isConnectionError(system("ECONNREFUSED"))).toBe(true);
    expect(isConnectionError(system("EACCES"))).toBe(false);
    expect(isConnectionError(undefined)).toBe(false);
  });
});

describe("isLeaseLost()", () => {
  it("is so when the server does not know the lease or the job any more", () => {
    expect(isLeaseLost(new ConnectError("x", Code.FailedPrecondition))).toBe(true);
    expect(isLeaseLost(new ConnectError("x", Code.NotFound))).toBe(true);
    expect(isLeaseLost(new ConnectError("x", Code.Unavailable))).toBe(false);
  });
});
