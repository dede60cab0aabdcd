import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { createSecret } from "../lib/secret.js";
import { isJsonObject, parseJsonObject } from "./json-object.js";
import type { StoredKey } from "./key-store.js";

const VERSION = 1;

/** Writes keys as a JSON document. It contains the private keys in the clear. */
export function formatStoredKeys(keys: readonly StoredKey[]): string {
  const entries = keys.map(({ privateJwk, ...instants }) => ({ ...instants, privateJwk: privateJwk.reveal() }));
  return `${JSON.stringify({ version: VERSION, keys: entries }, undefined, 2)}\n`;
}

/**
 * Reads keys back from the text of {@link formatStoredKeys}.
 *
 * @param text - The document.
 * @param source - Where it comes from, for the message.
 * @throws CredentialError `ERR_CREDENTIAL_STORE` naming the source and what is wrong; never an excerpt of the text.
 */
export function parseStoredKeys(text: string, source: string): readonly StoredKey[] {
  const document = parseJsonObject(text);
  if (document === undefined) throw damaged(source, "it is not a JSON object");
  if (document["version"] !== VERSION) throw damaged(source, `its version is not ${VERSION}`);
  const entries: unknown = document["keys"];
  if (!Array.isArray(entries) || entries.length === 0) throw damaged(source, "it has no keys");
  return entries.map((entry: unknown, index) => {
    const key = toStoredKey(entry);
    if (key === undefined) throw damaged(source, `key ${index + 1} lacks a member or has one of another type`);
    return key;
  });
}

function toStoredKey(entry: unknown): StoredKey | undefined {
  if (!isJsonObject(entry)) return undefined;
  const { kid, privateJwk, publishedAtMs, signsFromMs, retiresAtMs } = entry;
  if (typeof kid !== "string" || !isJsonObject(privateJwk) || !isInstant(publishedAtMs) || !isInstant(signsFromMs)) {
    return undefined;
  }
  const key = { kid, privateJwk: createSecret<JWK>(privateJwk), publishedAtMs, signsFromMs };
  if (retiresAtMs === undefined) return key;
  return isInstant(retiresAtMs) ? { ...key, retiresAtMs } : undefined;
}

function isInstant(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function damaged(source: string, what: string): CredentialError {
  const help = "restore it from a backup, or remove it to start with new keys";
  return new CredentialError("ERR_CREDENTIAL_STORE", `${source} is damaged: ${what}; ${help}`);
}
