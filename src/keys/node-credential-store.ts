import { createPrivateKey, createPublicKey, type JsonWebKeyInput } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertNonEmptyString } from "../lib/options.js";
import { type Credential, damagedFile, formatCredential, isCredentialName, parseCredential } from "./credential.js";
import type { CreateCredentialOptions, CredentialStore } from "./credential-store.js";
import { parseJsonObject } from "./json-object.js";
import {
  createPrivateDirectory,
  deletePrivateDirectory,
  ensurePrivateDirectory,
  listPrivateDirectory,
} from "./node-private-directory.js";
import { readPrivateFile, writePrivateFile } from "./node-private-file.js";
import { loadSigningKey } from "./node-signing-key.js";
import { generateSigningKey, type SigningKey } from "./signing-key.js";
import { keyFingerprint } from "./thumbprint.js";

/** Options of {@link openCredentialStore}. */
export interface CredentialStoreOptions {
  /** Time of the records. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

type RecordFields = { readonly [K in "orgId" | "principalId" | "roles"]?: Credential[K] | undefined };

const CONFIG_FILE = "config.json";
const RECORD_FILE = "credential.json";
const KEY_FILE = "private-key.pem";

/**
 * Opens a store of credentials in a directory, which is created by the first write.
 *
 * Each credential is a directory (mode 0700) with `private-key.pem` (PKCS#8, mode 0600) and `credential.json`; which
 * one is the default stands in `config.json` beside them. Every file is replaced at once, and credentials appear and
 * disappear at once, so that several processes can use the store.
 *
 * @example
 * ```ts
 * import { openCredentialStore } from "latchkey/node";
 *
 * const store = openCredentialStore();
 * await store.create({ name: "ci", orgId: "acme", roles: ["submitter"] });
 * await store.setDefault("ci");
 * const key = await store.signingKey();
 * ```
 *
 * @param directory - Where the store is. Absent: `$LATCHKEY_HOME/credentials`, or else `~/.latchkey/credentials`.
 * @param options - Collaborators; every field has a default.
 * @throws TypeError if `directory` is empty or not a string.
 */
export function openCredentialStore(
  directory: string = defaultDirectory(),
  options: CredentialStoreOptions = {},
): CredentialStore {
  assertNonEmptyString("directory", directory);
  const { clock = systemClock } = options;
  // Made absolute, or else a change of the working directory would move the store.
  const root = resolve(directory);
  const inside = (...parts: readonly string[]): string => join(root, ...parts);

  async function names(): Promise<readonly string[]> {
    const entries = await listPrivateDirectory(root);
    const found = entries.filter((entry) => entry.isDirectory() && isCredentialName(entry.name));
    return found.map(({ name }) => name).sort();
  }

  /** Gives undefined when there is no such credential. */
  async function find(name: string): Promise<Credential | undefined> {
    const path = inside(name, RECORD_FILE);
    const text = isCredentialName(name) ? await readIfPresent(path) : undefined;
    return text === undefined ? undefined : parseCredential(text, name, path);
  }

  async function requireCredential(name: string): Promise<Credential> {
    const credential = await find(name);
    if (credential !== undefined) return credential;
    throw notFound(`There is no credential ${JSON.stringify(String(name).slice(0, 64))}`, await names());
  }

  async function defaultName(): Promise<string | undefined> {
    const path = inside(CONFIG_FILE);
    const text = await readIfPresent(path);
    if (text === undefined) return undefined;
    const config = parseJsonObject(text);
    if (config === undefined) throw damagedFile(path, "it is not a JSON object");
    const { defaultCredential: name } = config;
    if (!isCredentialName(name)) throw damagedFile(path, '"defaultCredential" is not the name of a credential');
    return (await find(name)) === undefined ? undefined : name;
  }

  async function get(name?: string): Promise<Credential> {
    const wanted = name ?? (await defaultName());
    if (wanted !== undefined) return requireCredential(wanted);
    throw notFound("No credential was named, and none is the default", await names());
  }

  async function signingKey(name?: string): Promise<SigningKey> {
    const credential = await get(name);
    const path = inside(credential.name, KEY_FILE);
    const key = await loadSigningKey({ path, kid: credential.fingerprint });
    if ((await keyFingerprint(key.publicJwk)) !== credential.fingerprint) {
      throw new CredentialError("ERR_KEY_INVALID", `${path} is not the key that the credential was created with`);
    }
    return key;
  }

  async function create(options: CreateCredentialOptions): Promise<Credential> {
    const { name, orgId, principalId, roles = [], algorithm } = options;
    if (!isCredentialName(name)) {
      throw new RangeError("name must be 1 to 64 of A-Z a-z 0-9 _ . - and not . or .. or config.json");
    }
    assertRecord({ orgId, principalId, roles });
    const { key, privateJwk } = await generateSigningKey(algorithm === undefined ? {} : { algorithm });
    const fingerprint = await keyFingerprint(key.publicJwk);
    const nowMs = clock.nowMs();
    const record = { name, fingerprint, orgId, principalId, roles: Object.freeze([...roles]), imported: false };
    const credential: Credential = Object.freeze({ ...record, createdAtMs: nowMs, updatedAtMs: nowMs });
    await ensurePrivateDirectory(root);
    const files = new Map([
      [KEY_FILE, toPem(privateJwk)],
      [RECORD_FILE, formatCredential(credential)],
    ]);
    if (!(await createPrivateDirectory(inside(name), files))) {
      const message = `There is a credential ${name} already: choose another name, or delete it first`;
      throw new CredentialError("ERR_CREDENTIAL_EXISTS", message);
    }
    return credential;
  }

  return {
    directory: root,
    async list() {
      const found = await Promise.all((await names()).map(find));
      return found.filter((credential) => credential !== undefined);
    },
    get,
    create,
    async update(name, patch) {
      const { orgId, principalId, roles, imported } = patch;
      const before = await requireCredential(name);
      assertRecord(patch);
      const after: Credential = Object.freeze({
        ...before,
        orgId: orgId ?? before.orgId,
        principalId: principalId ?? before.principalId,
        roles: Object.freeze([...(roles ?? before.roles)]),
        imported: imported ?? before.imported,
        updatedAtMs: clock.nowMs(),
      });
      await writePrivateFile(inside(name, RECORD_FILE), formatCredential(after));
      return after;
    },
    async delete(name) {
      await requireCredential(name);
      await deletePrivateDirectory(inside(name));
    },
    async setDefault(name) {
      await requireCredential(name);
      const config = { defaultCredential: name };
      await writePrivateFile(inside(CONFIG_FILE), `${JSON.stringify(config, undefined, 2)}\n`);
    },
    defaultName,
    signingKey,
    async publicKeyPem(name) {
      const { publicJwk } = await signingKey(name);
      const input = { key: publicJwk, format: "jwk" } as JsonWebKeyInput;
      return createPublicKey(input).export({ type: "spki", format: "pem" }).toString();
    },
  };
}

function defaultDirectory(): string {
  // Empty counts as unset, as XDG variables do: a relative "credentials" would land wherever the process runs.
  const home = process.env["LATCHKEY_HOME"] || join(homedir(), ".latchkey");
  return join(home, "credentials");
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readPrivateFile(path);
  } catch (error) {
    if (error instanceof CredentialError && error.code === "ERR_KEY_MISSING") return undefined;
    throw error;
  }
}

function assertRecord({ orgId, principalId, roles }: RecordFields): void {
  if (orgId !== undefined) assertNonEmptyString("orgId", orgId);
  if (principalId !== undefined) assertNonEmptyString("principalId", principalId);
  for (const [index, role] of (roles ?? []).entries()) assertNonEmptyString(`roles[${index}]`, role);
}

function toPem(privateJwk: JWK): string {
  const input = { key: privateJwk, format: "jwk" } as JsonWebKeyInput;
  return createPrivateKey(input).export({ type: "pkcs8", format: "pem" }).toString();
}

function notFound(what: string, names: readonly string[]): CredentialError {
  const help =
    names.length === 0
      ? "There are none yet: create one with `latchkey init`"
      : `There are: ${names.join(", ")}. Name one, or choose a default with \`latchkey credentials set-default NAME\``;
  return new CredentialError("ERR_CREDENTIAL_NOT_FOUND", `${what}. ${help}`);
}
