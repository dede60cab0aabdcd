import { execFileSync } from "node:child_process";
import { mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type TokenFileOptions, tokenFile } from "../../src/client/node-token-file.js";
import type { AuthError } from "../../src/errors.js";
import { encodeBase64url } from "../../src/lib/base64url.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { TokenSource } from "../../src/token/token.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const NOW_MS = 1_900_000_000_000;
const MINUTE_MS = 60_000;
const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  signal: new AbortController().signal,
};

/** A token that looks like a JWT; nobody verifies it here. */
function jwt(expiresInSeconds: number, subject = "alice"): string {
  const part = (value: object): string => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
  return `${part({ alg: "ES256" })}.${part({ sub: subject, exp: NOW_MS / 1_000 + expiresInSeconds })}.c2lnbmF0dXJl`;
}

async function setUp(text: string | undefined, options: TokenFileOptions = {}) {
  const path = join(await temporaryDirectory(), "token");
  if (text !== undefined) await writeFile(path, text);
  const clock = createManualClock(NOW_MS);
  return { path, clock, source: tokenFile(path, { clock, ...options }) };
}

const failureOf = async (source: TokenSource): Promise<AuthError> => {
  try {
    await source.getToken(request);
  } catch (error) {
    return error as AuthError;
  }
  throw new Error("a token was given");
};

describe("tokenFile()", () => {
  it("gives the token in the file, without the white space round it", async () => {
    const token = jwt(3_600);
    const { source } = await setUp(`\n ${token}\r\n`);
    await expect(source.getToken(request)).resolves.toEqual({ value: token, expiresAtMs: NOW_MS + MINUTE_MS });
  });

  it("lets what it read count for pollMs, and never longer than the token's exp", async () => {
    const long = await setUp(jwt(3_600), { pollMs: 5_000 });
    await expect(long.source.getToken(request)).resolves.toMatchObject({ expiresAtMs: NOW_MS + 5_000 });
    const short = await setUp(jwt(20));
    await expect(short.source.getToken(request)).resolves.toMatchObject({ expiresAtMs: NOW_MS + 20_000 });
    const opaque = await setUp("opaque-token");
    await expect(opaque.source.getToken(request)).resolves.toMatchObject({ expiresAtMs: NOW_MS + MINUTE_MS });
  });

  it("takes a rotated token into use within pollMs, behind a cache", async () => {
    const { path, source, clock } = await setUp("first");
    const tokens = cachedTokens(source, { clock });
    await expect(tokens.getToken(request)).resolves.toMatchObject({ value: "first" });
    await writeFile(`${path}.new`, "second");
    await rename(`${path}.new`, path);
    await expect(tokens.getToken(request)).resolves.toMatchObject({ value: "first" });
    await clock.advance(MINUTE_MS);
    await expect(tokens.getToken(request)).resolves.toMatchObject({ value: "second" });
  });

  it("follows the symbolic links that Kubernetes swaps", async () => {
    const directory = await temporaryDirectory();
    for (const version of ["v1", "v2"]) {
      await mkdir(join(directory, version));
      await writeFile(join(directory, version, "token"), version);
    }
    const data = join(directory, "..data");
    await symlink("v1", data);
    await symlink("..data/token", join(directory, "token"));
    const source = tokenFile(join(directory, "token"));
    await expect(source.getToken(request)).resolves.toMatchObject({ value: "v1" });
    await symlink("v2", `${data}_tmp`);
    await rename(`${data}_tmp`, data);
    await expect(source.getToken(request)).resolves.toMatchObject({ value: "v2" });
  });

  it("gives the JWT read before while the file is gone, empty or half written, until its exp", async () => {
    const token = jwt(90);
    const { path, source, clock } = await setUp(token);
    await source.getToken(request);
    const breakages = [() => truncate(path, 0), () => writeFile(path, jwt(900).slice(0, 40)), () => rm(path)];
    for (const breakFile of breakages) {
      await breakFile();
      await expect(source.getToken(request)).resolves.toMatchObject({ value: token });
    }
    await clock.advance(60_000);
    await expect(source.getToken(request)).resolves.toEqual({ value: token, expiresAtMs: NOW_MS + 90_000 });
    await clock.advance(30_000);
    expect(await failureOf(source)).toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
  });

  it("takes over another kind of token once the JWT before has expired", async () => {
    const { path, source, clock } = await setUp(jwt(90));
    await source.getToken(request);
    await writeFile(path, "opaque");
    await clock.advance(90_000);
    await expect(source.getToken(request)).resolves.toMatchObject({ value: "opaque" });
  });

  it("reads the file again after a rejection", async () => {
    const { path, source } = await setUp("old");
    const tokens = cachedTokens(source);
    await tokens.getToken(request);
    await writeFile(path, "new");
    await expect(tokens.getToken({ ...request, rejected: "old" })).resolves.toMatchObject({ value: "new" });
  });

  it("is one cache entry for every audience, and not bound to that of a call", async () => {
    const { source } = await setUp("abc");
    expect(source.cacheKey?.(request)).toBe(source.cacheKey?.({ ...request, audience: "other" }));
    expect(source.audienceBound).toBeUndefined();
  });

  it.each([
    ["a missing file", undefined, "ERR_TOKEN_SOURCE_UNAVAILABLE", "cannot be read (ENOENT)"],
    ["an empty file", " \n", "ERR_TOKEN_SOURCE_UNAVAILABLE", "is empty"],
    ["an expired token", jwt(0), "ERR_TOKEN_SOURCE_UNAVAILABLE", "has expired"],
    ["two tokens", "abc\ndef", "ERR_TOKEN_SOURCE_INVALID", "something else than a bearer token"],
    ["a line break inside", "abc\r\nx-evil: 1", "ERR_TOKEN_SOURCE_INVALID", "something else than a bearer token"],
    ["JSON", '{"token":"s3cret"}', "ERR_TOKEN_SOURCE_INVALID", "something else than a bearer token"],
    ["16 KiB and a byte", "a".repeat(16 * 1024 + 1), "ERR_TOKEN_SOURCE_INVALID", "is too large"],
  ])("refuses %s, naming the file and never its content", async (_, text, code, message) => {
    const { path, source } = await setUp(text);
    const failure = await failureOf(source);
    expect(failure).toMatchObject({ name: "TokenSourceError", code });
    expect(failure.message).toContain(path);
    expect(failure.message).toContain(message);
    expect(failure.message).not.toMatch(/abc|s3cret|evil|eyJ/);
  });

  it("refuses what is no regular file, and does not wait for the writer of a pipe", async () => {
    const directory = await temporaryDirectory();
    expect(await failureOf(tokenFile(directory))).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(await failureOf(tokenFile(pipe))).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(await failureOf(tokenFile("/dev/zero"))).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("D6: refuses options that it cannot keep", () => {
    for (const pollMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1m"]) {
      expect(() => tokenFile("token", { pollMs } as TokenFileOptions)).toThrow("pollMs");
    }
    expect(() => tokenFile("")).toThrow("path must not be empty");
    expect(() => tokenFile("token", { poll: 1 } as TokenFileOptions)).toThrow("options.poll is not an option");
  });
});
