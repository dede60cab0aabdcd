import { describe, expect, it } from "vitest";
import {
  AccessDeniedError,
  AuthError,
  ConfigError,
  CredentialError,
  KeysUnavailableError,
  TokenRejectedError,
  TokenSourceError,
} from "../src/errors.js";

const ERRORS = [
  ["TokenRejectedError", new TokenRejectedError("ERR_TOKEN_EXPIRED", "text")],
  ["AccessDeniedError", new AccessDeniedError("ERR_ROLE_MISSING", "text")],
  ["KeysUnavailableError", new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "text")],
  ["TokenSourceError", new TokenSourceError("ERR_TOKEN_ORIGIN", "text")],
  ["CredentialError", new CredentialError("ERR_KEY_WEAK", "text")],
  ["ConfigError", new ConfigError("ERR_CONFIG_INVALID", "text")],
] as const;

describe("the error classes", () => {
  it.each(ERRORS)("%s says what it is, in texts and by instanceof", (name, error) => {
    expect(error).toBeInstanceOf(AuthError);
    expect(error.toString()).toBe(`${name}: text`);
    expect(Object.keys(error)).not.toContain("name");
  });

  it("has no stack when a token was rejected, which strangers cause at will, and leaves those of others alone", () => {
    const limit = Error.stackTraceLimit;
    expect(new TokenRejectedError("ERR_TOKEN_EXPIRED", "text").stack).toBe("TokenRejectedError: text");
    expect(() => new TokenRejectedError("ERR_TOKEN_EXPIRED", Symbol("text") as unknown as string)).toThrow(TypeError);
    expect(Error.stackTraceLimit).toBe(limit);
    expect(new KeysUnavailableError("ERR_KEYS_INVALID", "text").stack).toContain("errors.test.ts");
  });

  it("keep apart what only one of them is", () => {
    expect(ERRORS.filter(([, error]) => error instanceof TokenRejectedError)).toHaveLength(1);
  });

  it("keep the cause, and how long to wait", () => {
    const cause = new Error("below");
    const error = new KeysUnavailableError("ERR_KEYS_INVALID", "text", { cause, retryAfterMs: 5 });
    expect([error.cause, error.retryAfterMs, error.code]).toEqual([cause, 5, "ERR_KEYS_INVALID"]);
  });
});
