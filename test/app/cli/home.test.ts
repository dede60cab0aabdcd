import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defaultDataDirectory, homeDirectory, openCredentials } from "../../../src/app/cli/home.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

describe("homeDirectory()", () => {
  it("is what the environment says, and else in the home of the user", () => {
    expect(homeDirectory({ LATCHKEY_HOME: "/srv/latchkey" })).toBe("/srv/latchkey");
    expect(homeDirectory({})).toBe(join(homedir(), ".latchkey"));
  });

  it("takes an empty variable for none, so that nothing lands in the working directory", () => {
    expect(homeDirectory({ LATCHKEY_HOME: "" })).toBe(join(homedir(), ".latchkey"));
    expect(openCredentials({ LATCHKEY_HOME: "" }).directory).toBe(join(homedir(), ".latchkey", "credentials"));
  });

  it("asks the environment it is given, not that of the process", () => {
    process.env["LATCHKEY_HOME"] = "/nowhere";
    try {
      expect(homeDirectory({})).toBe(join(homedir(), ".latchkey"));
    } finally {
      delete process.env["LATCHKEY_HOME"];
    }
  });
});

describe("defaultDataDirectory()", () => {
  it("lies in the home", () => {
    expect(defaultDataDirectory({ LATCHKEY_HOME: "/srv/latchkey" })).toBe("/srv/latchkey/data");
  });
});

describe("openCredentials()", () => {
  it("opens those in the home, and makes nothing before something is kept", async () => {
    const home = await temporaryDirectory();
    const store = openCredentials({ LATCHKEY_HOME: home });
    expect(await store.list()).toEqual([]);
    await expect(stat(join(home, "credentials"))).rejects.toMatchObject({ code: "ENOENT" });
    await store.create({ name: "ci" });
    expect((await stat(join(home, "credentials"))).mode & 0o777).toBe(0o700);
  });
});
