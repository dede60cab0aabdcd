import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CredentialStore } from "../../src/keys/credential-store.js";
import { openCredentialStore } from "../../src/keys/node-credential-store.js";
import { keyFingerprint } from "../../src/keys/thumbprint.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

async function storeWith(...names: readonly string[]): Promise<CredentialStore> {
  const store = openCredentialStore(join(await temporaryDirectory(), "credentials"));
  for (const name of names) await store.create({ name });
  return store;
}

describe("openCredentialStore()", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("creates a credential with a key that only its owner can read", async () => {
    const clock = createManualClock(1_000);
    const store = openCredentialStore(join(await temporaryDirectory(), "home", "credentials"), { clock });
    const options = {
      name: "ci",
      orgId: "acme",
      principalId: "bot",
      roles: ["submitter"],
      algorithm: "EdDSA",
    } as const;
    const created = await store.create(options);

    expect(created).toEqual({
      name: "ci",
      fingerprint: expect.stringMatching(/^[1-9A-HJ-NP-Za-km-z]{43,44}$/),
      orgId: "acme",
      principalId: "bot",
      roles: ["submitter"],
      imported: false,
      createdAtMs: 1_000,
      updatedAtMs: 1_000,
    });
    expect(await store.get("ci")).toEqual(created);
    expect((await readdir(join(store.directory, "ci"))).sort()).toEqual(["credential.json", "private-key.pem"]);
    expect(await readdir(store.directory)).toEqual(["ci"]);
    expect(await modeOf(store.directory)).toBe("700");
    expect(await modeOf(join(store.directory, "ci"))).toBe("700");
    for (const file of ["credential.json", "private-key.pem"]) {
      expect(await modeOf(join(store.directory, "ci", file))).toBe("600");
    }
    expect(await readFile(join(store.directory, "ci", "private-key.pem"), "utf8")).toMatch(
      /^-----BEGIN PRIVATE KEY-----/,
    );
  });

  it("loads the key by the fingerprint, and gives the public key as PEM", async () => {
    const store = await storeWith("ci");
    const { fingerprint } = await store.get("ci");
    const key = await store.signingKey("ci");
    expect(key).toMatchObject({ kid: fingerprint, algorithm: "ES256" });
    expect(await keyFingerprint(key.publicJwk)).toBe(fingerprint);
    const pem = await store.publicKeyPem("ci");
    expect(pem).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    const spki = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ""), "base64");
    const imported = await crypto.subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: "P-256" }, true, []);
    const { x, y } = await crypto.subtle.exportKey("jwk", imported);
    expect(key.publicJwk).toMatchObject({ x, y });
  });

  it("lists credentials by name, and leaves out what is none", async () => {
    const store = await storeWith("b", "a");
    await writeFile(join(store.directory, "notes"), "", { mode: 0o600 });
    expect((await store.list()).map(({ name }) => name)).toEqual(["a", "b"]);
    expect(await (await storeWith()).list()).toEqual([]);
  });

  it("uses the default credential when none is named", async () => {
    const store = await storeWith("a", "b");
    await store.setDefault("b");
    expect((await store.get()).name).toBe("b");
    expect((await store.signingKey()).kid).toBe((await store.get("b")).fingerprint);
    expect(await store.defaultName()).toBe("b");
    expect(await modeOf(join(store.directory, "config.json"))).toBe("600");
    await store.setDefault("a");
    expect((await store.get()).name).toBe("a");
  });

  it("says what to do when there is no credential, or none is the default", async () => {
    const empty = await storeWith();
    await expect(empty.get()).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_NOT_FOUND",
      message: expect.stringContaining("latchkey init"),
    });
    const store = await storeWith("a", "b");
    await expect(store.get()).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_NOT_FOUND",
      message: expect.stringMatching(/There are: a, b.*set-default/),
    });
    await store.setDefault("b");
    await store.delete("b");
    expect(await store.defaultName()).toBeUndefined();
    await expect(store.get()).rejects.toMatchObject({ message: expect.stringContaining("There are: a.") });
  });

  it("A9: names those there are when one is unknown, and follows no path", async () => {
    const store = await storeWith("a");
    for (const name of ["none", "../credentials/a", "..", "a/", "a\0", "\u001b[2J", "config.json"]) {
      const expected = { code: "ERR_CREDENTIAL_NOT_FOUND", message: expect.stringContaining("There are: a.") };
      await expect(store.get(name)).rejects.toMatchObject(expected);
      await expect(store.update(name, {})).rejects.toMatchObject(expected);
      await expect(store.delete(name)).rejects.toMatchObject(expected);
      await expect(store.setDefault(name)).rejects.toMatchObject(expected);
      await expect(store.signingKey(name)).rejects.toMatchObject(expected);
    }
    await expect(store.get("\u001b[2J")).rejects.not.toThrow("\u001b");
  });

  it("refuses a name that is taken, also when two are created at once", async () => {
    const store = await storeWith("a");
    const before = await store.get("a");
    await expect(store.create({ name: "a" })).rejects.toMatchObject({ code: "ERR_CREDENTIAL_EXISTS" });
    expect(await store.get("a")).toEqual(before);
    const twice = await Promise.allSettled([store.create({ name: "b" }), store.create({ name: "b" })]);
    expect(twice.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect((await readdir(store.directory)).sort()).toEqual(["a", "b"]);
  });

  it.each<[string, object]>([
    ["name", { name: "../a" }],
    ["name", { name: "config.json" }],
    ["orgId", { name: "a", orgId: "" }],
    ["principalId", { name: "a", principalId: 7 }],
    ["roles[1]", { name: "a", roles: ["x", ""] }],
  ])("refuses to create with a bad %s", async (field, options) => {
    const store = await storeWith();
    const error = await store.create(options as { name: string }).catch((reason: unknown) => reason);
    expect(String(error)).toContain(field);
    expect(await store.list()).toEqual([]);
  });

  it("changes what a patch names and nothing else", async () => {
    const clock = createManualClock(1_000);
    const store = openCredentialStore(join(await temporaryDirectory(), "credentials"), { clock });
    const created = await store.create({ name: "ci", orgId: "acme", roles: ["submitter"] });
    await clock.advance(500);
    const updated = await store.update("ci", { imported: true, principalId: "bot" });
    expect(updated).toEqual({ ...created, imported: true, principalId: "bot", updatedAtMs: 1_500 });
    expect(await store.get("ci")).toEqual(updated);
    expect((await store.update("ci", { roles: [] })).roles).toEqual([]);
    await expect(store.update("ci", { orgId: "" })).rejects.toThrow("orgId");
  });

  it("keeps the changes of writers that work on different credentials at once", async () => {
    const store = await storeWith("a", "b", "c");
    const others = openCredentialStore(store.directory);
    await Promise.all([
      store.update("a", { imported: true }),
      others.update("b", { imported: true }),
      store.create({ name: "d" }),
      others.delete("c"),
      store.setDefault("a"),
    ]);
    const listed = (await store.list()).map(({ name, imported }) => `${name} ${imported}`);
    expect(listed).toEqual(["a true", "b true", "d false"]);
    expect(await store.defaultName()).toBe("a");
  });

  it("deletes a credential with its key", async () => {
    const store = await storeWith("a", "b");
    await store.delete("a");
    expect(await readdir(store.directory)).toEqual(["b"]);
  });

  it.each([
    ["credential.json", "{"],
    ["credential.json", '{"fingerprint":7}'],
    ["private-key.pem", "-----BEGIN"],
  ])("names a damaged %s", async (file, text) => {
    const store = await storeWith("a");
    await writeFile(join(store.directory, "a", file), text);
    const code = file === "credential.json" ? "ERR_CREDENTIAL_STORE" : "ERR_KEY_INVALID";
    const error = await store.signingKey("a").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "CredentialError", code });
    expect(String(error)).toContain(join(store.directory, "a", file));
    if (file === "credential.json") {
      await expect(store.list()).rejects.toMatchObject({ code });
    }
  });

  it.each(["", "[]", "{}", '{"defaultCredential":"../a"}'])("names config.json when it holds %j", async (text) => {
    const store = await storeWith("a");
    await writeFile(join(store.directory, "config.json"), text, { mode: 0o600 });
    const expected = { code: "ERR_CREDENTIAL_STORE", message: expect.stringContaining("config.json") };
    await expect(store.get()).rejects.toMatchObject(expected);
    expect((await store.get("a")).name).toBe("a");
    await store.setDefault("a");
    expect((await store.get()).name).toBe("a");
  });

  it("refuses a private key that is not the one the credential was created with", async () => {
    const store = await storeWith("a", "b");
    const foreign = await readFile(join(store.directory, "b", "private-key.pem"));
    await writeFile(join(store.directory, "a", "private-key.pem"), foreign);
    await expect(store.signingKey("a")).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });

  it("I7: refuses a key file or a store that others can read", async () => {
    const store = await storeWith("a");
    const key = join(store.directory, "a", "private-key.pem");
    await chmod(key, 0o644);
    const expected = { code: "ERR_KEY_PERMISSIONS", message: expect.stringContaining(`chmod 600 ${key}`) };
    await expect(store.signingKey("a")).rejects.toMatchObject(expected);
    await chmod(store.directory, 0o755);
    await expect(store.create({ name: "b" })).rejects.toMatchObject({ code: "ERR_KEY_PERMISSIONS" });
    await expect(store.list()).rejects.toMatchObject({ code: "ERR_KEY_PERMISSIONS" });
  });

  it("is where $LATCHKEY_HOME says, or else in the home directory", () => {
    vi.stubEnv("LATCHKEY_HOME", "/somewhere/else");
    expect(openCredentialStore().directory).toBe("/somewhere/else/credentials");
    vi.stubEnv("LATCHKEY_HOME", "");
    expect(openCredentialStore().directory).toBe(join(homedir(), ".latchkey", "credentials"));
    expect(openCredentialStore("relative").directory).toBe(join(process.cwd(), "relative"));
  });

  it("refuses an empty directory name", () => {
    expect(() => openCredentialStore("")).toThrow("directory");
  });
});
