import { join } from "node:path";
import { ConfigError, CredentialError } from "../../errors.js";
import { readPrivateFile, writePrivateFile } from "../../keys/node-private-file.js";

/** What every process that uses a server's signing keys has to agree on. */
export interface IssuerSettings {
  /** "iss" of the tokens: the server's public URL. */
  readonly issuer: string;
  /** "aud" of the tokens unless another one is asked for. */
  readonly audience: string;
  /** How long a new key is published before it signs. */
  readonly keyGraceSeconds: number;
  /** Longest life of a token. */
  readonly tokenLifetimeSeconds: number;
}

/** Writes the settings beside the keys, for the commands that work on them. */
export async function saveIssuerSettings(keysDir: string, settings: IssuerSettings): Promise<void> {
  const { issuer, audience, keyGraceSeconds, tokenLifetimeSeconds } = settings;
  const json = JSON.stringify({ issuer, audience, keyGraceSeconds, tokenLifetimeSeconds }, undefined, 2);
  await writePrivateFile(fileIn(keysDir), `${json}\n`);
}

/**
 * Reads the settings that the server has left beside its keys.
 *
 * Rejects with {@link ConfigError} `ERR_CONFIG_UNREADABLE` when no server has used the directory, or the file is damaged.
 */
export async function loadIssuerSettings(keysDir: string): Promise<IssuerSettings> {
  let text: string;
  try {
    text = await readPrivateFile(fileIn(keysDir));
  } catch (error) {
    if (!(error instanceof CredentialError) || error.code !== "ERR_KEY_MISSING") throw error;
    const message = `no server has put signing keys into ${keysDir}: start \`latchkey server\` with this directory first`;
    throw new ConfigError("ERR_CONFIG_UNREADABLE", message, { cause: error });
  }
  const settings = parse(text);
  if (settings === undefined) throw new ConfigError("ERR_CONFIG_UNREADABLE", `${fileIn(keysDir)} is damaged`);
  return settings;
}

function fileIn(keysDir: string): string {
  return join(keysDir, "issuer.json");
}

function parse(text: string): IssuerSettings | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { issuer, audience, keyGraceSeconds, tokenLifetimeSeconds } = Object(value) as Record<string, unknown>;
  const texts = typeof issuer === "string" && typeof audience === "string";
  if (!texts || !Number.isFinite(keyGraceSeconds) || !Number.isFinite(tokenLifetimeSeconds)) return undefined;
  return {
    issuer,
    audience,
    keyGraceSeconds: keyGraceSeconds as number,
    tokenLifetimeSeconds: tokenLifetimeSeconds as number,
  };
}
