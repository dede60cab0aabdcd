import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.js";
import { readTokenLifetimeSeconds } from "../../src/keys/token-lifetime.js";

const read = (text: unknown): number | undefined =>
  readTokenLifetimeSeconds({ LATCHKEY_JWT_EXP_SECONDS: text as string | undefined });

describe("readTokenLifetimeSeconds()", () => {
  it.each([
    ["1", 1],
    ["600", 600],
    ["86400", 86_400],
  ])("reads %j", (text, seconds) => {
    expect(read(text)).toBe(seconds);
  });

  it("gives undefined when the variable is not set", () => {
    expect(readTokenLifetimeSeconds({})).toBeUndefined();
    expect(read(undefined)).toBeUndefined();
  });

  it.each([
    "",
    " ",
    "0",
    "-1",
    "+1",
    "86401",
    "99999",
    "100000",
    "3600abc",
    "1e3",
    " 60",
    "60 ",
    "60\n",
    "060",
    "0x10",
    "1.5",
    "1_000",
    "Infinity",
    "NaN",
    "5m",
    "٣",
    600,
    true,
    null,
  ])("D6: refuses %j, naming the variable and the range", (text) => {
    let thrown: unknown;
    try {
      read(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ConfigError);
    expect(thrown).toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringMatching(/LATCHKEY_JWT_EXP_SECONDS .*1 to 86400/),
    });
  });

  it("does not show what the variable holds: it may be a secret that was put into the wrong one", () => {
    expect(() => read("hunter2")).toThrow(expect.objectContaining({ message: expect.not.stringContaining("hunter2") }));
  });
});
