import { exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { CredentialError } from "../errors.js";
import { algorithmsForKey, type JwsAlgorithm } from "../token/algorithms.js";
import { isKid } from "../token/kid.js";
import { assertStrongRsa } from "./rsa-strength.js";
import { jwkThumbprint } from "./thumbprint.js";

/** A private key that signs tokens, with what verifiers need to know about it. */
export interface SigningKey {
  /** Name of the key in the "kid" header parameter of the tokens it signs. */
  readonly kid: string;
  /** The one algorithm it signs with. */
  readonly algorithm: JwsAlgorithm;
  /** The key itself; not extractable, so no log, heap inspection or bug of ours can export it. */
  readonly privateKey: CryptoKey;
  /** The public part with "kid", "alg" and `"use": "sig"`, ready to publish; frozen. */
  readonly publicJwk: JWK;
}

/** A pair whose private part never leaves Web Crypto, as a browser generates it. */
export interface SigningKeyPair {
  /** The private part: usage `sign`, not extractable. */
  readonly privateKey: CryptoKey;
  /** The public part; private members, should there be any, are ignored. */
  readonly publicJwk: JWK;
}

/** Options of {@link importSigningKey}. */
export interface ImportSigningKeyOptions {
  /** Name of the key, 1 to 256 visible ASCII characters. @defaultValue its "kid", or else its RFC 7638 thumbprint */
  readonly kid?: string;
  /** What it shall sign with. @defaultValue its "alg", or else what its curve says; `"RS256"` for an RSA key */
  readonly algorithm?: JwsAlgorithm;
}

/** Options of {@link generateSigningKey}. */
export interface GenerateSigningKeyOptions {
  /** What the key shall sign with. RSA keys get 2048 bits. @defaultValue `"ES256"` */
  readonly algorithm?: JwsAlgorithm;
}

const DEFAULTS = {
  algorithm: "ES256",
} as const satisfies GenerateSigningKeyOptions;

const PUBLIC_MEMBERS: ReadonlyMap<unknown, readonly ("kty" | "crv" | "x" | "y" | "n" | "e")[]> = new Map([
  ["EC", ["kty", "crv", "x", "y"]],
  ["OKP", ["kty", "crv", "x"]],
  ["RSA", ["kty", "n", "e"]],
]);

/**
 * Generates a key.
 *
 * @example
 * ```ts
 * import { generateSigningKey } from "latchkey/node";
 *
 * const { key, privateJwk } = await generateSigningKey({ algorithm: "EdDSA" });
 * ```
 *
 * @param options - The algorithm; every field has a default.
 * @returns The key, named by its thumbprint, and its private JWK for storage. The JWK is a secret: do not log it.
 */
export async function generateSigningKey(
  options: GenerateSigningKeyOptions = {},
): Promise<{ readonly key: SigningKey; readonly privateJwk: JWK }> {
  const { algorithm = DEFAULTS.algorithm } = options;
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const bare = await exportJWK(privateKey);
  const key = await importSigningKey(bare, { algorithm });
  return { key, privateJwk: { ...bare, kid: key.kid, alg: algorithm } };
}

/**
 * Imports a private key for signing, from a JWK or as a Web Crypto pair.
 *
 * The key is tried once: its signature has to verify with its public part, so that a pair that does not belong together
 * fails here and not at every verifier. Costs about one signature and one verification.
 *
 * Rejects with {@link CredentialError} `ERR_KEY_PUBLIC` (no private part), `ERR_KEY_ALGORITHM` (the key's type or curve
 * is not supported, or does not fit the algorithm), `ERR_KEY_WEAK` (RSA outside 2048 to 8192 bits, or with a public
 * exponent below 65537) or `ERR_KEY_INVALID` (everything else). Neither messages nor causes contain key material.
 *
 * Spec: RFC 7517 section 4, RFC 7518 sections 3 and 6, RFC 8037 section 2.
 *
 * @example
 * ```ts
 * import { importSigningKey } from "latchkey/node";
 *
 * const jwk = JSON.parse(process.env["SIGNING_JWK"] ?? "{}");
 * const key = await importSigningKey(jwk, { kid: "2026-11" });
 * ```
 *
 * @param source - A private JWK, or a pair with a private key that is not extractable.
 * @param options - Name and algorithm; every field has a default.
 */
export async function importSigningKey(
  source: JWK | SigningKeyPair,
  options: ImportSigningKeyOptions = {},
): Promise<SigningKey> {
  const pair = isPair(source) ? source : undefined;
  const jwk = isPair(source) ? source.publicJwk : source;
  if (typeof jwk?.kty !== "string") throw new CredentialError("ERR_KEY_INVALID", 'The key is no JWK: it has no "kty"');
  if (pair === undefined && jwk.d === undefined && jwk.kty !== "oct") {
    throw new CredentialError("ERR_KEY_PUBLIC", "The JWK has no private part: tokens are signed with the private key");
  }
  const privatePart = pair === undefined ? undefined : checkPrivateKey(pair.privateKey);
  const algorithm = chooseAlgorithm(fittingAlgorithms(jwk, privatePart), options.algorithm);
  if (jwk.kty === "RSA") assertStrongRsa(jwk);
  const publicPart = pickPublicMembers(jwk);
  const kid = options.kid ?? jwk.kid ?? (await jwkThumbprint(publicPart));
  if (!isKid(kid)) {
    throw new CredentialError("ERR_KEY_INVALID", "The kid of a key must be 1 to 256 visible ASCII characters");
  }
  const privateKey = privatePart ?? (await importPrivateJwk(jwk, algorithm));
  const publicJwk = Object.freeze({ ...publicPart, kid, alg: algorithm, use: "sig" });
  await tryKey(privateKey, publicJwk, algorithm);
  return Object.freeze({ kid, algorithm, privateKey, publicJwk });
}

function isPair(source: JWK | SigningKeyPair): source is SigningKeyPair {
  return typeof source === "object" && source !== null && "privateKey" in source;
}

function fittingAlgorithms(jwk: JWK, privateKey: CryptoKey | undefined): readonly JwsAlgorithm[] {
  const ofType = algorithmsForKey({ kty: jwk.kty, crv: jwk.crv });
  if (ofType.length === 0) {
    const supported = "use EC P-256, P-384 or P-521, Ed25519, or RSA";
    throw new CredentialError("ERR_KEY_ALGORITHM", `The type or curve of the key is not supported: ${supported}`);
  }
  const fitting = algorithmsForKey(jwk);
  if (fitting.length === 0) {
    throw new CredentialError(
      "ERR_KEY_ALGORITHM",
      'The "alg" of the JWK does not fit its type: remove it or correct it',
    );
  }
  if (privateKey === undefined || jwk.kty !== "RSA") return fitting;
  // Web Crypto binds an RSA key to one padding and one hash when it is made.
  const { name, hash } = privateKey.algorithm as RsaHashedKeyAlgorithm;
  const bound = `${name === "RSA-PSS" ? "PS" : "RS"}${hash?.name.slice("SHA-".length)}`;
  return fitting.filter((algorithm) => algorithm === bound);
}

function chooseAlgorithm(fitting: readonly JwsAlgorithm[], wanted: JwsAlgorithm | undefined): JwsAlgorithm {
  const chosen = wanted === undefined ? fitting[0] : fitting.find((algorithm) => algorithm === wanted);
  if (chosen !== undefined) return chosen;
  const hint = fitting.length > 0 ? `it fits ${fitting.join(", ")}` : 'its private part fits another "alg"';
  throw new CredentialError("ERR_KEY_ALGORITHM", `The key does not fit the algorithm asked for; ${hint}`);
}

/** Only what belongs to a public key: a member that we do not know might be private. */
export function pickPublicMembers(jwk: JWK): JWK {
  const picked = (PUBLIC_MEMBERS.get(jwk.kty) ?? []).map((member) => [member, jwk[member]] as const);
  const missing = picked.find(([, value]) => typeof value !== "string");
  if (missing !== undefined) throw new CredentialError("ERR_KEY_INVALID", `The JWK has no "${missing[0]}"`);
  return Object.fromEntries(picked);
}

async function importPrivateJwk(jwk: JWK, algorithm: JwsAlgorithm): Promise<CryptoKey> {
  // "use", "key_ops" and "ext" are left out: a key marked for verification would fail with a bare DOMException.
  const { use: _use, key_ops: _keyOps, ext: _ext, ...members } = jwk;
  try {
    return (await importJWK(members, algorithm, { extractable: false })) as CryptoKey;
  } catch (cause) {
    throw new CredentialError("ERR_KEY_INVALID", "The JWK is damaged: its members do not make a key", { cause });
  }
}

function checkPrivateKey(key: unknown): CryptoKey {
  if (!(key instanceof CryptoKey) || key.type !== "private" || !key.usages.includes("sign")) {
    throw new CredentialError("ERR_KEY_INVALID", 'privateKey must be a private CryptoKey with the usage "sign"');
  }
  if (key.extractable) {
    throw new CredentialError("ERR_KEY_INVALID", "privateKey must be generated or imported with extractable = false");
  }
  return key;
}

async function tryKey(privateKey: CryptoKey, publicJwk: JWK, algorithm: JwsAlgorithm): Promise<void> {
  const message = new Uint8Array(1);
  // A hash of 256, 384 or 512 bits; what a key does not need of these parameters it ignores.
  const bits = Number(algorithm.slice(2));
  const parameters = { name: privateKey.algorithm.name, hash: `SHA-${bits}`, saltLength: bits / 8 };
  let cause: unknown;
  try {
    const publicKey = (await importJWK(publicJwk, algorithm)) as CryptoKey;
    const signature = await crypto.subtle.sign(parameters, privateKey, message);
    if (await crypto.subtle.verify(parameters, publicKey, signature, message)) return;
  } catch (error) {
    cause = error;
  }
  const text = `The key does not sign ${algorithm} as its public part verifies it: the two do not belong together`;
  throw new CredentialError("ERR_KEY_INVALID", text, { cause });
}
