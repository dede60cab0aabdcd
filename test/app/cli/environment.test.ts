import { Command, Option } from "commander";
import { beforeEach, describe, expect, it } from "vitest";
import { applyEnvironment, environmentName } from "../../../src/app/cli/environment.js";
import { collectPair, parsePort } from "../../../src/app/cli/option-values.js";

describe("applyEnvironment()", () => {
  let program: Command;
  let server: Command;
  beforeEach(() => {
    program = new Command("latchkey").exitOverride();
    server = program
      .command("server")
      .addOption(new Option("--port <n>").argParser(parsePort).default(8090))
      .addOption(new Option("--state <state>").choices(["on", "off"]))
      .addOption(new Option("--env <key=value>").argParser(collectPair))
      .option("--json")
      .action(() => {});
  });
  const parse = (env: Readonly<Record<string, string>>, ...args: readonly string[]): Record<string, unknown> => {
    applyEnvironment(program, env);
    program.parse(["server", ...args], { from: "user" });
    return server.opts();
  };

  it("gives a flag the value of its variable, read as the flag is", () => {
    expect(parse({ LATCHKEY_PORT: "9000" })).toMatchObject({ port: 9_000 });
  });

  it("lets the command line win", () => {
    expect(parse({ LATCHKEY_PORT: "9000" }, "--port", "9001")).toMatchObject({ port: 9_001 });
  });

  it("counts an empty variable as not set, and takes no other names", () => {
    expect(parse({ LATCHKEY_PORT: "", PORT: "1", LATCHKEY_HELP: "1" })).toMatchObject({ port: 8_090 });
  });

  it("reads the variables of the command that is run alone", () => {
    const keys = program.command("keys");
    const list = keys
      .command("list")
      .option("--json <path>")
      .addOption(new Option("--port <n>").makeOptionMandatory())
      .action(() => {});
    const env = { LATCHKEY_JSON: "out.json", LATCHKEY_PORT: "none", LATCHKEY_STATE: "maybe" };
    applyEnvironment(program, env);
    program.parse(["keys", "list"], { from: "user" });
    expect(list.opts()).toEqual({ json: "out.json", port: "none" });
  });

  it.each([
    ["1", true],
    ["true", true],
    ["0", false],
    ["false", false],
  ])("reads a switch: %j is %j", (text, value) => {
    expect(parse({ LATCHKEY_JSON: text })).toMatchObject({ json: value });
  });

  it.each([
    [{ LATCHKEY_JSON: "yes" }, /^LATCHKEY_JSON must be/],
    [{ LATCHKEY_PORT: "70000" }, /^LATCHKEY_PORT: .*65535/],
    [{ LATCHKEY_PORT: " 80" }, /^LATCHKEY_PORT: /],
    [{ LATCHKEY_STATE: "maybe" }, /^LATCHKEY_STATE: .*on, off/],
  ])("refuses %j, naming the variable", (env, message) => {
    expect(() => parse(env)).toThrow(
      expect.objectContaining({ name: "ConfigError", message: expect.stringMatching(message) }),
    );
  });

  it("adds repeated flags to what the environment has", () => {
    const { env } = parse({ LATCHKEY_ENV: "A=1" }, "--env", "B=2=3") as { readonly env: ReadonlyMap<string, string> };
    expect([...env]).toEqual([
      ["A", "1"],
      ["B", "2=3"],
    ]);
  });
});

describe("environmentName()", () => {
  it("derives the name from the long flag", () => {
    expect(environmentName(new Option("-d, --data-dir <path>"))).toBe("LATCHKEY_DATA_DIR");
    expect(environmentName(new Option("--help"))).toBeUndefined();
    expect(environmentName(new Option("-x"))).toBeUndefined();
  });
});
