import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { describeError, explainingFailures } from "../../../src/app/cli/describe-error.js";
import { toConnectError } from "../../../src/connect-errors.js";
import {
  AccessDeniedError,
  ConfigError,
  KeysUnavailableError,
  TokenRejectedError,
  TokenSourceError,
} from "../../../src/errors.js";

const context = { server: "http://127.0.0.1:8090", credential: { name: "laptop", roles: ["worker"] } };

async function described(error: unknown): Promise<string | undefined> {
  return explainingFailures(context, () => Promise.reject(error)).then(
    () => undefined,
    (thrown: unknown) => describeError(thrown),
  );
}

describe("explainingFailures()", () => {
  const withCode = (code: string): Error => Object.assign(new Error(code), { code });
  const refused = withCode("ECONNREFUSED");
  const broken = withCode("EPIPE");
  it.each([
    [
      "a refused token",
      toConnectError(new TokenRejectedError("ERR_KEY_NOT_FOUND", "")),
      /token of credential laptop: it may have been revoked/,
    ],
    [
      "an expired token",
      toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "")),
      /expired: compare the clocks/,
    ],
    [
      "a missing role",
      toConnectError(new AccessDeniedError("ERR_ROLE_MISSING", "")),
      /may not do this: it has the role worker.*--credential/,
    ],
    [
      "a refusal about one job",
      new ConnectError("not your job", Code.PermissionDenied),
      /may not do this \(not your job\)/,
    ],
    [
      "a server that is away",
      new ConnectError("x", Code.Unavailable, undefined, undefined, refused),
      /cannot reach.*latchkey server.*--server/,
    ],
    [
      "a broken connection",
      new ConnectError("write EPIPE", Code.Internal, undefined, undefined, broken),
      /cannot reach/,
    ],
    [
      "a certificate that is not trusted",
      new ConnectError("x", Code.Internal, undefined, undefined, withCode("DEPTH_ZERO_SELF_SIGNED_CERT")),
      /^no secure connection to the server at .* \(DEPTH_ZERO_SELF_SIGNED_CERT\).*NODE_EXTRA_CA_CERTS/,
    ],
    [
      "a server that does not speak TLS",
      new ConnectError("x", Code.Internal, undefined, undefined, withCode("ERR_SSL_WRONG_VERSION_NUMBER")),
      /^no secure connection to the server at .* it must speak TLS/,
    ],
    [
      "a server without keys",
      toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "")),
      /cannot check tokens at present/,
    ],
    [
      "a server without keys that knows for how long",
      toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "", { retryAfterMs: 2_500 })),
      /cannot check tokens at present: try again in 3 s$/,
    ],
    [
      "a server that is overloaded",
      toConnectError(new KeysUnavailableError("ERR_TOO_MANY_PENDING", "")),
      /cannot check tokens at present: try again later$/,
    ],
    [
      "a token that could not be made",
      toConnectError(new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "")),
      /^no token could be made with credential laptop: No token could be obtained/,
    ],
    [
      "a server that stops",
      new ConnectError("shutting down", Code.Unavailable),
      /not available at present \(shutting down\): try again/,
    ],
    ["a quota", new ConnectError("too many", Code.ResourceExhausted), /refused: too many/],
    ["a bad request", new ConnectError("queue: too long", Code.InvalidArgument), /the server refused: queue: too long/],
  ])("says what to do about %s", async (_name, error, line) => {
    expect(await described(error)).toMatch(line);
  });

  it("L2: shows what the server said without its control characters", async () => {
    expect(await described(new ConnectError("a\u001b[2Jb\nc", Code.Internal))).toBe(
      "the server refused: a\\u{1b}[2Jb\\u{a}c",
    );
  });

  it("keeps the error as the cause, and gives what the calls gave", async () => {
    const error = new ConnectError("x", Code.Internal);
    await expect(explainingFailures(context, () => Promise.reject(error))).rejects.toMatchObject({ cause: error });
    expect(await explainingFailures(context, async () => 7)).toBe(7);
  });
});

describe("describeError()", () => {
  it("gives the message of our errors, and nothing for a mistake in the program", () => {
    expect(describeError(new ConfigError("ERR_CONFIG_INVALID", "name a file"))).toBe("name a file");
    expect(describeError(new TypeError("x is not a function"))).toBeUndefined();
    expect(describeError("thrown text")).toBeUndefined();
  });
});
