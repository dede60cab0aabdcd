import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createPrivateDirectory,
  deletePrivateDirectory,
  ensurePrivateDirectory,
  listPrivateDirectory,
} from "../../src/keys/node-private-directory.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

describe("ensurePrivateDirectory()", () => {
  it("creates a directory and those above it with mode 0700", async () => {
    const top = await temporaryDirectory();
    await ensurePrivateDirectory(join(top, "a", "b"));
    await ensurePrivateDirectory(join(top, "a", "b"));
    expect([await modeOf(join(top, "a")), await modeOf(join(top, "a", "b"))]).toEqual(["700", "700"]);
  });

  it("I7: refuses one that others can use, with the command that helps", async () => {
    const path = join(await temporaryDirectory(), "open");
    await mkdir(path);
    await chmod(path, 0o750);
    const expected = { code: "ERR_KEY_PERMISSIONS", message: expect.stringContaining(`chmod 700 ${path}`) };
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject(expected);
    await expect(listPrivateDirectory(path)).rejects.toMatchObject(expected);
  });

  it("refuses a file in its place", async () => {
    const path = join(await temporaryDirectory(), "file");
    await writeFile(path, "", { mode: 0o600 });
    const expected = { code: "ERR_CREDENTIAL_STORE", message: expect.stringContaining(path) };
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject(expected);
    await expect(ensurePrivateDirectory(join(path, "below"))).rejects.toMatchObject(expected);
    await expect(listPrivateDirectory(path)).rejects.toMatchObject(expected);
    await expect(listPrivateDirectory(join(path, "below"))).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
  });
});

describe("listPrivateDirectory()", () => {
  it("lists nothing where there is no directory", async () => {
    expect(await listPrivateDirectory(join(await temporaryDirectory(), "none"))).toEqual([]);
  });
});

describe("createPrivateDirectory()", () => {
  it("creates it with its files, or nothing when there is one already", async () => {
    const top = await temporaryDirectory();
    const path = join(top, "a");
    const results = await Promise.all(
      ["1", "2", "3"].map((text) => createPrivateDirectory(path, new Map([["file", text]]))),
    );
    expect(results.filter((created) => created)).toHaveLength(1);
    expect(await readdir(top, { recursive: true })).toEqual(["a", join("a", "file")]);
    expect([await modeOf(path), await modeOf(join(path, "file"))]).toEqual(["700", "600"]);
  });

  it("says which directory could not be created", async () => {
    const path = join(await temporaryDirectory(), "none", "a");
    await expect(createPrivateDirectory(path, new Map())).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_STORE",
      message: expect.stringContaining(path),
    });
  });
});

describe("deletePrivateDirectory()", () => {
  it("deletes it with its files, and says whether there was one", async () => {
    const top = await temporaryDirectory();
    await createPrivateDirectory(join(top, "a"), new Map([["file", ""]]));
    expect(await deletePrivateDirectory(join(top, "a"))).toBe(true);
    expect(await deletePrivateDirectory(join(top, "a"))).toBe(false);
    expect(await readdir(top)).toEqual([]);
  });
});
