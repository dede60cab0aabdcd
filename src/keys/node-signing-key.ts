import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { typeName } from "../lib/options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import { parseJsonObject } from "./json-object.js";
import { parsePrivatePem } from "./node-pem.js";
import { readPrivateFile } from "./node-private-file.js";
import { importSigningKey, type SigningKey } from "./signing-key.js";

/** Where a signing key is found: exactly one of the three. */
export type SigningKeySource =
  /** PEM text: PKCS#8, encrypted PKCS#8, SEC1 (EC) or PKCS#1 (RSA). */
  | { readonly pem: string; readonly path?: never; readonly jwk?: never }
  /** A file with such a text, or with a JWK in JSON, that nobody but its owner can read (mode 0600). */
  | { readonly path: string; readonly pem?: never; readonly jwk?: never }
  /** A private JWK. */
  | { readonly jwk: JWK; readonly pem?: never; readonly path?: never };

/** Options of {@link loadSigningKey}. */
export type LoadSigningKeyOptions = SigningKeySource & {
  /** Opens an encrypted PEM key; ignored when the key is not encrypted. */
  readonly passphrase?: string;
  /** What it shall sign with. @defaultValue a JWK's "alg", or else what its curve says; `"RS256"` for an RSA key */
  readonly algorithm?: JwsAlgorithm;
  /** Name of the key, 1 to 256 visible ASCII characters. @defaultValue a JWK's "kid", or else its thumbprint */
  readonly kid?: string;
};

/**
 * Loads a private key for signing from a PEM text, a file or a JWK.
 *
 * EC P-256, P-384 and P-521, Ed25519 and RSA of 2048 to 8192 bits are supported. The key is imported as not extractable
 * and its text is not kept.
 *
 * Rejects with {@link CredentialError}; each message says what to do and none quotes the key:
 * `ERR_KEY_MISSING` (no such file, or nothing in it), `ERR_KEY_PERMISSIONS` (others can read the file),
 * `ERR_KEY_PUBLIC` (a public key or a certificate), `ERR_KEY_PASSPHRASE` (none given, or a wrong one),
 * `ERR_KEY_ALGORITHM` (unsupported type or curve, or it does not fit `algorithm`), `ERR_KEY_WEAK` (RSA too small) or
 * `ERR_KEY_INVALID` (damaged, or no key at all).
 *
 * Spec: RFC 5958 (PKCS#8), RFC 5915 (SEC1), RFC 8017 appendix A.1.2 (PKCS#1), RFC 7468 (PEM), RFC 7517 (JWK).
 *
 * @example
 * ```ts
 * import { loadSigningKey } from "latchkey/node";
 *
 * const key = await loadSigningKey({ path: "/etc/jobs/private-key.pem", kid: "jobs-2026" });
 * ```
 *
 * @param options - The source and, when the key does not say, its passphrase, algorithm and name.
 */
export async function loadSigningKey(options: LoadSigningKeyOptions): Promise<SigningKey> {
  const { passphrase, algorithm, kid, path } = options;
  try {
    const jwk = await readJwk(options, passphrase);
    return await importSigningKey(jwk, {
      ...(algorithm !== undefined && { algorithm }),
      ...(kid !== undefined && { kid }),
    });
  } catch (error) {
    if (path === undefined || !(error instanceof CredentialError) || error.message.includes(path)) throw error;
    throw new CredentialError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

async function readJwk(options: SigningKeySource, passphrase: string | undefined): Promise<JWK> {
  const { pem, path, jwk } = options;
  if ([pem, path, jwk].filter((source) => source !== undefined).length !== 1) {
    throw new TypeError("Give exactly one of pem, path and jwk");
  }
  if (jwk !== undefined) return jwk;
  if (path !== undefined) {
    if (typeof path !== "string") throw new TypeError(`path must be a string, got ${typeName(path)}`);
    return parseKeyText(await readPrivateFile(path), `The file ${path}`, passphrase);
  }
  if (typeof pem !== "string") throw new TypeError(`pem must be a string, got ${typeName(pem)}`);
  return parseKeyText(pem, "The PEM text", passphrase);
}

function parseKeyText(text: string, source: string, passphrase: string | undefined): JWK {
  const trimmed = text.trim();
  if (trimmed === "") throw new CredentialError("ERR_KEY_MISSING", `${source} is empty: put the private key there`);
  if (!trimmed.startsWith("{")) return parsePrivatePem(trimmed, passphrase);
  const jwk = parseJsonObject(trimmed);
  if (jwk === undefined) throw new CredentialError("ERR_KEY_INVALID", `${source} begins like a JWK, and is no JSON`);
  return jwk;
}
