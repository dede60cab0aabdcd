import { CredentialError } from "../errors.js";
import { parseJsonObject } from "./json-object.js";

/** What a client keeps beside the private key of a credential. The server's own record decides what it may do. */
export interface Credential {
  /** Name on this machine: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
  readonly name: string;
  /** Base58 of the SHA-256 digest of the public key; "kid" and "sub" of its tokens. */
  readonly fingerprint: string;
  /** Organisation it was imported for; undefined when not known here. */
  readonly orgId: string | undefined;
  /** Who it stands for on the server; undefined when not known here. */
  readonly principalId: string | undefined;
  /** Roles it was imported with. */
  readonly roles: readonly string[];
  /** Whether a server has taken it in, as far as this machine knows. */
  readonly imported: boolean;
  /** When it was created, in milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** When this record last changed, in milliseconds since the epoch. */
  readonly updatedAtMs: number;
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

// What means something else in a directory; some file systems do not tell upper case from lower.
const RESERVED: ReadonlySet<string> = new Set([".", "..", "config.json"]);

/** Tells whether a text can name a credential, and so a directory. */
export function isCredentialName(text: unknown): text is string {
  return typeof text === "string" && NAME.test(text) && !RESERVED.has(text.toLowerCase());
}

/** Writes a credential as a JSON document. The name is left out: the directory has it. */
export function formatCredential({ name: _name, ...record }: Credential): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/**
 * Reads a credential back from the text of {@link formatCredential}.
 *
 * @param text - The document.
 * @param name - The name of the credential.
 * @param path - Where it comes from, for the message.
 * @throws CredentialError `ERR_CREDENTIAL_STORE` naming the file.
 */
export function parseCredential(text: string, name: string, path: string): Credential {
  const record = parseJsonObject(text);
  if (record === undefined) throw damagedFile(path, "it is not a JSON object");
  const { fingerprint, orgId, principalId, roles, imported, createdAtMs, updatedAtMs } = record;
  if (
    !isText(fingerprint) ||
    !(orgId === undefined || isText(orgId)) ||
    !(principalId === undefined || isText(principalId)) ||
    !(Array.isArray(roles) && roles.every(isText)) ||
    typeof imported !== "boolean" ||
    !isInstant(createdAtMs) ||
    !isInstant(updatedAtMs)
  ) {
    throw damagedFile(path, "a member is missing or of another type");
  }
  return Object.freeze({
    name,
    fingerprint,
    orgId,
    principalId,
    roles: Object.freeze([...roles]),
    imported,
    createdAtMs: createdAtMs,
    updatedAtMs: updatedAtMs,
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isInstant(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** The error for a file of a store that cannot be understood; it names the file and quotes nothing. */
export function damagedFile(path: string, what: string): CredentialError {
  return new CredentialError("ERR_CREDENTIAL_STORE", `${path} is damaged: ${what}. Correct it, or restore it`);
}
