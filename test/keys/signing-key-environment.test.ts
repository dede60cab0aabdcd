import { describe, expect, it } from "vitest";
import { ConfigError, CredentialError } from "../../src/errors.js";
import { type Environment, readSigningKeyEnvironment } from "../../src/keys/signing-key-environment.js";

function failure(env: Environment): unknown {
  try {
    readSigningKeyEnvironment(env);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("readSigningKeyEnvironment()", () => {
  it("gives the key with line breaks in place of their escapes, and the passphrase as it is", () => {
    const { source, passphrase } = readSigningKeyEnvironment({
      LATCHKEY_PRIVATE_KEY: String.raw`a\nb\r\nc`,
      LATCHKEY_PRIVATE_KEY_PASSPHRASE: String.raw` x\n`,
    });
    expect(source).toEqual({ pem: "a\nb\nc" });
    expect(passphrase).toBe(String.raw` x\n`);
  });

  it("leaves a JWK alone, unless it is the line breaks between its members that are escaped", () => {
    const whole = JSON.stringify({ kty: "EC", kid: String.raw`a\nb` });
    expect(readSigningKeyEnvironment({ LATCHKEY_PRIVATE_KEY: whole }).source).toEqual({ pem: whole });
    const escaped = String.raw`{\n  "kty": "EC"\n}`;
    expect(readSigningKeyEnvironment({ LATCHKEY_PRIVATE_KEY: escaped }).source).toEqual({ pem: '{\n  "kty": "EC"\n}' });
  });

  it("gives the path as it is, and takes an empty variable for one that is not set", () => {
    const env = { LATCHKEY_PRIVATE_KEY: "", LATCHKEY_PRIVATE_KEY_PATH: String.raw`C:\new`, LATCHKEY_OTHER: "" };
    expect(readSigningKeyEnvironment({ ...env, LATCHKEY_PRIVATE_KEY_PASSPHRASE: "" })).toMatchObject({
      source: { path: String.raw`C:\new` },
      passphrase: undefined,
    });
  });

  it.each<[string, Environment, RegExp]>([
    ["nothing", {}, /^Neither LATCHKEY_PRIVATE_KEY nor LATCHKEY_PRIVATE_KEY_PATH is set/],
    ["an empty key", { LATCHKEY_PRIVATE_KEY: " \n" }, /^LATCHKEY_PRIVATE_KEY is set, but empty/],
    ["an empty path", { LATCHKEY_PRIVATE_KEY_PATH: "" }, /^LATCHKEY_PRIVATE_KEY_PATH is set, but empty/],
    [
      "both empty",
      { LATCHKEY_PRIVATE_KEY: "", LATCHKEY_PRIVATE_KEY_PATH: "" },
      /^LATCHKEY_PRIVATE_KEY and LATCHKEY_PRIVATE_KEY_PATH are set, but empty/,
    ],
    ["a passphrase alone", { LATCHKEY_PRIVATE_KEY_PASSPHRASE: "x" }, /^Neither/],
  ])("says what to set when there is %s", (_name, env, message) => {
    const error = failure(env);
    expect(error).toBeInstanceOf(CredentialError);
    expect(error).toMatchObject({ code: "ERR_KEY_MISSING", message: expect.stringMatching(message) });
    expect(String(error)).toContain("name of its file into LATCHKEY_PRIVATE_KEY_PATH");
  });

  it("refuses a key and a path at once, showing neither", () => {
    const error = failure({ LATCHKEY_PRIVATE_KEY: "the-key", LATCHKEY_PRIVATE_KEY_PATH: "/the-path" });
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID" });
    expect(String(error)).toMatch(/LATCHKEY_PRIVATE_KEY and LATCHKEY_PRIVATE_KEY_PATH/);
    expect(String(error)).not.toMatch(/the-key|the-path/);
  });

  it.each<[string, unknown]>([
    ["env", null],
    ["env", "LATCHKEY_PRIVATE_KEY=x"],
    ["env.LATCHKEY_PRIVATE_KEY", { LATCHKEY_PRIVATE_KEY: 7 }],
    ["env.LATCHKEY_PRIVATE_KEY_PASSPHRASE", { LATCHKEY_PRIVATE_KEY: "x", LATCHKEY_PRIVATE_KEY_PASSPHRASE: {} }],
  ])("throws TypeError naming %s", (name, env) => {
    const error = failure(env as Environment);
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(`${name} must be`);
  });
});
