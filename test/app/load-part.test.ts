import { describe, expect, it } from "vitest";
import { loadPart } from "../../src/app/load-part.js";
import { ConfigError } from "../../src/errors.js";

describe("loadPart()", () => {
  it("gives what was imported", async () => {
    expect(await loadPart(async () => ({ answer: 42 }))).toEqual({ answer: 42 });
  });

  it("names the package to install when one is missing, in the release that it has to be", async () => {
    const missing = Object.assign(new Error("Cannot find package 'pg-boss' imported from /srv/app/tickets.js"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    const error = await loadPart(() => Promise.reject(missing)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      code: "ERR_DEPENDENCY_MISSING",
      message: "this needs the package pg-boss: npm install pg-boss@12.35.0",
      cause: missing,
    });
  });

  it("passes every other failure on", async () => {
    const broken = new SyntaxError("unexpected token");
    await expect(loadPart(() => Promise.reject(broken))).rejects.toBe(broken);
    const file = Object.assign(new Error("Cannot find module '/srv/app/gone.js'"), { code: "ERR_MODULE_NOT_FOUND" });
    await expect(loadPart(() => Promise.reject(file))).rejects.toBe(file);
  });
});
