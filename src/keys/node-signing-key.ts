import { sep } from "node:path";
import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { assertFields, assertNonEmptyString, type FieldsOf, typeName, withoutUndefined } from "../lib/options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import { parseJsonObject } from "./json-object.js";
import { parsePrivatePem } from "./node-pem.js";
import { readPrivateFile } from "./node-private-file.js";
import { importSigningKey, type SigningKey } from "./signing-key.js";
import { type Environment, readSigningKeyEnvironment } from "./signing-key-environment.js";

/** Where a signing key is found: exactly one of the four. */
export type SigningKeySource =
  /** PEM text: PKCS#8, encrypted PKCS#8, SEC1 (EC) or PKCS#1 (RSA); or a private JWK in JSON. */
  | { readonly pem: string; readonly path?: never; readonly jwk?: never; readonly env?: never }
  /** A file with such a text that nobody but its owner can read (mode 0600). */
  | { readonly path: string; readonly pem?: never; readonly jwk?: never; readonly env?: never }
  /** A private JWK. */
  | { readonly jwk: JWK; readonly pem?: never; readonly path?: never; readonly env?: never }
  /**
   * Environment variables, such as `process.env`: `LATCHKEY_PRIVATE_KEY` with such a text, in which `\n` counts as a
   * line break, or `LATCHKEY_PRIVATE_KEY_PATH` with the name of such a file; `LATCHKEY_PRIVATE_KEY_PASSPHRASE` when the
   * key is encrypted. An empty variable counts as not set.
   */
  | {
      readonly env: Readonly<Record<string, string | undefined>>;
      readonly pem?: never;
      readonly path?: never;
      readonly jwk?: never;
    };

/** Options of {@link loadSigningKey}. */
export type LoadSigningKeyOptions = SigningKeySource & {
  /**
   * Opens an encrypted PEM key; ignored when the key is not encrypted. @defaultValue with `env`,
   * `LATCHKEY_PRIVATE_KEY_PASSPHRASE`
   */
  readonly passphrase?: string;
  /** What it shall sign with. @defaultValue a JWK's "alg", or else what its curve says; `"RS256"` for an RSA key */
  readonly algorithm?: JwsAlgorithm;
  /** Name of the key, 1 to 256 visible ASCII characters. @defaultValue a JWK's "kid", or else its thumbprint */
  readonly kid?: string;
};

const FIELDS: FieldsOf<LoadSigningKeyOptions> = {
  pem: true,
  path: true,
  jwk: true,
  env: true,
  passphrase: true,
  algorithm: true,
  kid: true,
};

// As for files.
const MAX_LENGTH = 1024 * 1024;

// Of one part of a path, in the file systems there are.
const MAX_NAME_LENGTH = 255;

// What every key in DER begins with, and a length that none stays below.
const DER_SEQUENCE = 0x30;
const SHORTEST_DER_BYTES = 40;

/**
 * Loads a private key for signing from a PEM text, a file, a JWK or the environment.
 *
 * EC P-256, P-384 and P-521, Ed25519 and RSA of 2048 to 8192 bits are supported. The key is imported as not extractable;
 * neither its text nor the passphrase is kept. What the caller holds, `process.env` for one, is for the caller to drop.
 *
 * A file is opened once and read if nobody but its owner can read it. Links are followed.
 *
 * Rejects with {@link CredentialError}; each message says what to do and none quotes the key:
 * `ERR_KEY_MISSING` (no such file, nothing in it, or no variable set), `ERR_KEY_PERMISSIONS` (others can read the file,
 * or it is theirs), `ERR_KEY_PUBLIC` (a public key or a certificate), `ERR_KEY_PASSPHRASE` (none given, or a wrong one),
 * `ERR_KEY_ALGORITHM` (unsupported type or curve, or it does not fit `algorithm`), `ERR_KEY_WEAK` (RSA too small, or
 * with a public exponent below 65537), `ERR_CREDENTIAL_STORE` (the system fails to read the file) or `ERR_KEY_INVALID`
 * (damaged, or no key at all). Rejects with a `ConfigError` `ERR_CONFIG_INVALID` when `LATCHKEY_PRIVATE_KEY` and
 * `LATCHKEY_PRIVATE_KEY_PATH` are both set, and with a TypeError when there is not exactly one source, a field is of
 * another type or there is one that is not an option.
 *
 * Spec: RFC 5958 (PKCS#8), RFC 8018 section 6.2 (PBES2), RFC 5915 (SEC1), RFC 8017 appendix A.1.2 (PKCS#1), RFC 7468
 * (PEM), RFC 7517 (JWK).
 *
 * @example
 * ```ts
 * import { loadSigningKey } from "latchkey/node";
 *
 * const fromFile = await loadSigningKey({ path: "/etc/jobs/private-key.pem", kid: "jobs-2026" });
 * const fromEnvironment = await loadSigningKey({ env: process.env });
 * ```
 *
 * @param options - The source and, when the key does not say, its passphrase, algorithm and name.
 * @see watchSigningKey for a file that is replaced while the process runs.
 */
export async function loadSigningKey(options: LoadSigningKeyOptions): Promise<SigningKey> {
  assertFields("options", options, FIELDS);
  const { pem, path, jwk, env, passphrase, algorithm, kid } = options;
  if ([pem, path, jwk, env].filter((source) => source !== undefined).length !== 1) {
    throw new TypeError("Give exactly one of pem, path, jwk and env");
  }
  if (passphrase !== undefined && typeof passphrase !== "string") {
    throw new TypeError(`passphrase must be a string, got ${typeName(passphrase)}`);
  }
  const wanted = withoutUndefined({ algorithm, kid });
  if (env !== undefined) return loadFromEnvironment(env, { ...wanted, ...withoutUndefined({ passphrase }) });
  if (path !== undefined) return loadFile(path, passphrase, wanted);
  if (jwk !== undefined) return importSigningKey(jwk, wanted);
  if (typeof pem !== "string") throw new TypeError(`pem must be a string, got ${typeName(pem)}`);
  return importSigningKey(parseKeyText(pem, "The PEM text", passphrase), wanted);
}

type WantedKey = Pick<LoadSigningKeyOptions, "algorithm" | "kid">;

async function loadFromEnvironment(
  env: Environment,
  details: Pick<LoadSigningKeyOptions, "passphrase" | keyof WantedKey>,
): Promise<SigningKey> {
  const { source, passphrase, explain } = readSigningKeyEnvironment(env);
  try {
    return await loadSigningKey({ ...source, ...withoutUndefined({ passphrase }), ...details });
  } catch (error) {
    throw error instanceof CredentialError ? explain(error) : error;
  }
}

async function loadFile(path: string, passphrase: string | undefined, wanted: WantedKey): Promise<SigningKey> {
  assertKeyPath(path);
  try {
    return await importSigningKey(parseKeyText(await readPrivateFile(path), `The file ${path}`, passphrase), wanted);
  } catch (error) {
    if (!(error instanceof CredentialError) || error.message.includes(path)) throw error;
    throw new CredentialError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * Throws unless `path` can be the name of a file: a key that was given as one would be quoted in the message that there
 * is no such file.
 */
export function assertKeyPath(path: unknown): asserts path is string {
  assertNonEmptyString("path", path);
  const isText = ["-----BEGIN", '"kty"', "\n", "\0"].some((part) => path.includes(part));
  const isTooLong = path.split(sep).some((name) => name.length > MAX_NAME_LENGTH);
  if (!isText && !isTooLong && !isBase64Der(path)) return;
  const message = "The path is no name of a file: a key itself belongs into pem, or into LATCHKEY_PRIVATE_KEY";
  throw new CredentialError("ERR_KEY_INVALID", message);
}

/** Tells a PEM text without its first and last line, or a file in DER, as Base64. */
function isBase64Der(text: string): boolean {
  const bytes = Buffer.from(text, "base64");
  return bytes.length >= SHORTEST_DER_BYTES && bytes[0] === DER_SEQUENCE && bytes.toString("base64") === text;
}

function parseKeyText(text: string, source: string, passphrase: string | undefined): JWK {
  if (text.length > MAX_LENGTH) {
    throw new CredentialError("ERR_KEY_INVALID", `${source} is too large for a key: check where it comes from`);
  }
  const trimmed = text.trim();
  if (trimmed === "") throw new CredentialError("ERR_KEY_MISSING", `${source} is empty: put the private key there`);
  if (!trimmed.startsWith("{")) return parsePrivatePem(trimmed, passphrase);
  const jwk = parseJsonObject(trimmed);
  if (jwk !== undefined) return jwk;
  throw new CredentialError("ERR_KEY_INVALID", `${source} begins like a JWK, and is no JSON: restore the whole of it`);
}
