import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPrivateFile, readPrivateFile, writePrivateFile } from "../../src/keys/node-private-file.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

describe("readPrivateFile()", () => {
  it("reads a file of mode 0600, and through a link to one", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, "key"), "text ü", { mode: 0o600 });
    await symlink(join(directory, "key"), join(directory, "link"));
    expect(await readPrivateFile(join(directory, "key"))).toBe("text ü");
    expect(await readPrivateFile(join(directory, "link"))).toBe("text ü");
  });

  it.each([0o640, 0o604, 0o644, 0o660, 0o601])("I7: refuses mode %o with the command that helps", async (mode) => {
    const directory = await temporaryDirectory();
    const path = join(directory, "my key's file");
    await writeFile(path, "text");
    await chmod(path, mode);
    const error = await readPrivateFile(path).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_KEY_PERMISSIONS" });
    const [, command = ""] = String(error).split("Run: ");
    execFileSync("sh", ["-c", command]);
    expect(await readPrivateFile(path)).toBe("text");
  });

  it("I7: judges the file that a link points to, not the link", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, "open"), "text");
    await chmod(join(directory, "open"), 0o644);
    await symlink(join(directory, "open"), join(directory, "link"));
    await expect(readPrivateFile(join(directory, "link"))).rejects.toMatchObject({ code: "ERR_KEY_PERMISSIONS" });
  });

  it("says that there is no such file, or that it is none", async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, "sub"), { mode: 0o700 });
    execFileSync("mkfifo", ["-m", "600", join(directory, "pipe")]);
    await expect(readPrivateFile(join(directory, "none"))).rejects.toMatchObject({ code: "ERR_KEY_MISSING" });
    await expect(readPrivateFile(join(directory, "sub"))).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
    await expect(readPrivateFile(join(directory, "pipe"))).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });

  it("refuses a file that is far too large", async () => {
    const path = join(await temporaryDirectory(), "large");
    await writeFile(path, Buffer.alloc(1024 * 1024 + 1, "a"), { mode: 0o600 });
    await expect(readPrivateFile(path)).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });
});

describe("writePrivateFile()", () => {
  it("writes mode 0600, replaces what was there whatever its mode, and leaves nothing else", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "file");
    await writeFile(path, "before");
    await chmod(path, 0o644);
    await writePrivateFile(path, "after");
    expect(await readFile(path, "utf8")).toBe("after");
    expect(await modeOf(path)).toBe("600");
    expect(await readdir(directory)).toEqual(["file"]);
  });

  it("leaves the file and nothing else when it cannot be replaced", async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, "file"));
    await expect(writePrivateFile(join(directory, "file"), "after")).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_STORE",
      message: expect.stringContaining(join(directory, "file")),
    });
    expect(await readdir(directory)).toEqual(["file"]);
  });

  it("gives readers a whole text at any time", async () => {
    const path = join(await temporaryDirectory(), "file");
    const texts = ["a", "b"].map((letter) => letter.repeat(200_000));
    await writePrivateFile(path, texts[0] ?? "");
    const writers = Promise.all(Array.from({ length: 20 }, (_, n) => writePrivateFile(path, texts[n % 2] ?? "")));
    const read = await Promise.all(Array.from({ length: 40 }, () => readPrivateFile(path)));
    await writers;
    expect(texts).toEqual(expect.arrayContaining(read));
  });
});

describe("createPrivateFile()", () => {
  it("lets one of many succeed, and leaves nothing of the others", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "file");
    const results = await Promise.all(Array.from({ length: 10 }, (_, n) => createPrivateFile(path, `text ${n}`)));
    expect(results.filter((created) => created)).toHaveLength(1);
    expect(await readFile(path, "utf8")).toBe(`text ${results.indexOf(true)}`);
    expect(await modeOf(path)).toBe("600");
    expect(await readdir(directory)).toEqual(["file"]);
  });
});
