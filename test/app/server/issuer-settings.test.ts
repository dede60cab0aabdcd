import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadIssuerSettings, saveIssuerSettings } from "../../../src/app/server/issuer-settings.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

const settings = {
  issuer: "https://jobs.example",
  audience: "latchkey",
  keyGraceSeconds: 600,
  tokenLifetimeSeconds: 3_600,
};

describe("loadIssuerSettings()", () => {
  it("gives back what was saved", async () => {
    const directory = await temporaryDirectory();
    await saveIssuerSettings(directory, settings);
    expect(await loadIssuerSettings(directory)).toEqual(settings);
    await saveIssuerSettings(directory, { ...settings, keyGraceSeconds: 1 });
    expect((await loadIssuerSettings(directory)).keyGraceSeconds).toBe(1);
  });

  it("says what to do when no server has used the directory", async () => {
    await expect(loadIssuerSettings(await temporaryDirectory())).rejects.toMatchObject({
      code: "ERR_CONFIG_UNREADABLE",
      message: expect.stringContaining("start `latchkey server`"),
    });
  });

  it.each(["", "{", "null", "[]", '"text"', "{}", JSON.stringify({ ...settings, keyGraceSeconds: "600" })])(
    "names a damaged file: %j",
    async (text) => {
      const directory = await temporaryDirectory();
      const path = join(directory, "issuer.json");
      await writeFile(path, text, { mode: 0o600 });
      await expect(loadIssuerSettings(directory)).rejects.toMatchObject({
        code: "ERR_CONFIG_UNREADABLE",
        message: `${path} is damaged`,
      });
    },
  );

  it("refuses a file that others can change", async () => {
    const directory = await temporaryDirectory();
    await saveIssuerSettings(directory, settings);
    await chmod(join(directory, "issuer.json"), 0o666);
    await expect(loadIssuerSettings(directory)).rejects.toMatchObject({ code: "ERR_KEY_PERMISSIONS" });
  });
});
