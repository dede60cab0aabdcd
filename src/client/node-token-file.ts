import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { TokenSourceError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertFields, assertNonEmptyString, assertPositive, withoutUndefined } from "../lib/options.js";
import { isToken68 } from "../token/bearer.js";
import type { Token, TokenSource } from "../token/token.js";
import { readExpiryHintMs } from "./expiry-hint.js";

/** Options of {@link tokenFile}; every field has a default. */
export interface TokenFileOptions {
  /**
   * How long what was read counts, in milliseconds: a token that was put in its place is in use after that time at the
   * latest. @defaultValue `60_000` (1 minute)
   */
  readonly pollMs?: number;
  /** Time of the tokens. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const DEFAULTS = { pollMs: 60_000 } satisfies TokenFileOptions;

// A longer token fits no header that servers take; a device or a log named by mistake is not read to its end.
const MAX_BYTES = 16 * 1024;

/** What was last read from the file. */
interface Reading {
  readonly value: string;
  /** "exp" of the token; undefined when it does not say. */
  readonly expiresAtMs: number | undefined;
}

/**
 * A source of tokens that somebody else writes to a file and replaces there, such as the projected service account
 * tokens of Kubernetes.
 *
 * The file is read when a token is wanted; what was read counts for `pollMs`, and never longer than the token's "exp".
 * That claim is a hint read without verification: the server decides. Within a cache the file is read about twice per
 * `pollMs` while calls are made, and not at all otherwise. While it cannot be read, or holds no token that says its "exp",
 * the JWT read before is given on until its own "exp": whoever writes the file may be half-way. A token that does not say
 * when it expires is given for `pollMs` each time it is read.
 *
 * The file may be a symbolic link, and may be replaced or rewritten at any time. White space round the token is left
 * out. Its permissions are not looked at, for who mounts such files chooses them. It may have 16 KiB.
 *
 * A source for `bearerAuth`, which sends its tokens to the origin of the first call only, or to its `origins`; or the
 * subject token of an exchange.
 *
 * `getToken()` rejects with {@link TokenSourceError}, naming the file: `ERR_TOKEN_SOURCE_UNAVAILABLE` when it does not
 * exist, cannot be read or is empty, or its token has expired; `ERR_TOKEN_SOURCE_INVALID` when it is no regular file,
 * too large, or holds something else than a token.
 *
 * Spec: RFC 6750 section 2.1 (what a token looks like), RFC 7519 section 4.1.4 ("exp").
 *
 * @example
 * ```ts
 * import { bearerAuth } from "latchkey/client";
 * import { tokenFile } from "latchkey/node";
 *
 * const source = tokenFile("/var/run/secrets/tokens/jobs");
 * const interceptor = bearerAuth(source, { origins: ["https://jobs.example"] });
 * ```
 *
 * @param path - The file; a relative path counts from the present working directory. It need not exist yet.
 * @param options - How often to look; every field has a default.
 * @throws TypeError if the path is empty or an option unknown.
 * @throws RangeError if `pollMs` is not positive and finite.
 */
export function tokenFile(path: string, options: TokenFileOptions = {}): TokenSource {
  assertNonEmptyString("path", path);
  assertFields("options", options, { pollMs: 0, clock: 0 });
  const { pollMs } = { ...DEFAULTS, ...withoutUndefined(options) };
  const { clock = systemClock } = options;
  assertPositive("pollMs", pollMs);
  const file = resolve(path);
  let last: Reading | undefined;

  const toToken = ({ value, expiresAtMs }: Reading, nowMs: number): Token => ({
    value,
    expiresAtMs: Math.min(expiresAtMs ?? Number.POSITIVE_INFINITY, nowMs + pollMs),
  });

  return {
    async getToken() {
      const known = last;
      const kept = (nowMs: number): Token | undefined =>
        known?.expiresAtMs !== undefined && nowMs < known.expiresAtMs ? toToken(known, nowMs) : undefined;
      let reading: Reading;
      try {
        reading = toReading(await readText(file), file);
      } catch (error) {
        const token = kept(clock.nowMs());
        if (token === undefined) throw error;
        return token;
      }
      const nowMs = clock.nowMs();
      if (reading.expiresAtMs === undefined) {
        // A JWT that is being written looks like a token of another kind.
        const token = kept(nowMs);
        if (token !== undefined) return token;
      } else if (reading.expiresAtMs <= nowMs) {
        throw new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", `The token in ${file} has expired`);
      }
      last = reading;
      return toToken(reading, nowMs);
    },
    cacheKey: () => "",
  };
}

function toReading(text: string, file: string): Reading {
  const value = text.trim();
  if (value === "") throw new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", `${file} is empty`);
  if (!isToken68(value)) throw invalid(`${file} holds something else than a bearer token`);
  return { value, expiresAtMs: readExpiryHintMs(value) };
}

async function readText(file: string): Promise<string> {
  const handle = await openFile(file);
  try {
    // Of what was opened: another file may have the name by now.
    if (!(await handle.stat()).isFile()) throw invalid(`${file} is not a regular file`);
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await handle.read(buffer, length, buffer.length - length)).bytesRead;
    }
    if (length > MAX_BYTES) throw invalid(`${file} is too large for a token`);
    return buffer.toString("utf8", 0, length);
  } catch (cause) {
    throw cause instanceof TokenSourceError ? cause : unreadable(file, cause);
  } finally {
    await handle.close();
  }
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    // Non-blocking, or else opening a named pipe would wait for its writer.
    return await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): TokenSourceError {
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", `${file} cannot be read${code}`, { cause });
}

function invalid(message: string): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", message);
}
