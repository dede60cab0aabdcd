import { constants, createHmac, type KeyObject, sign, verify } from "node:crypto";
import { encodeParts, type JsonParts } from "./json-mutations.ts";
import type { Prover } from "./prover.ts";

interface Scheme {
  readonly keyType: string;
  readonly digest: string | null;
  readonly parameters: object;
}

const pss = (digest: string, saltLength: number): Scheme => ({
  keyType: "rsa",
  digest,
  parameters: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
});
const ecdsa = (digest: string): Scheme => ({ keyType: "ec", digest, parameters: { dsaEncoding: "ieee-p1363" } });
const pkcs1 = (digest: string): Scheme => ({ keyType: "rsa", digest, parameters: {} });

// RFC 7518 sections 3.3 to 3.5, RFC 8037 section 3.1.
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["ES256", ecdsa("sha256")],
  ["ES384", ecdsa("sha384")],
  ["RS256", pkcs1("sha256")],
  ["RS384", pkcs1("sha384")],
  ["PS256", pss("sha256", 32)],
  ["PS512", pss("sha512", 64)],
  ["EdDSA", { keyType: "ed25519", digest: null, parameters: {} }],
]);

/**
 * Makes a token of parts as they are, signed with the key of a prover: by the algorithm named if the key can, and else by
 * its own. With `none` and HS256 the key is not needed: everybody has the public one.
 */
export function seal(parts: JsonParts, prover: Prover, algorithm: string = prover.algorithm): string {
  const input = encodeParts(parts);
  return `${input}.${signAs(algorithm, prover, input).toString("base64url")}`;
}

/** Whether a signature, in base64url, is that of a key by an algorithm. Nothing of the verifier has a part in it. */
export function isSignedBy(algorithm: string, key: KeyObject, input: string, signature: string): boolean {
  const scheme = findScheme(algorithm, key);
  const bytes = Buffer.from(signature, "base64url");
  if (scheme === undefined || bytes.toString("base64url") !== signature) return false;
  return verify(scheme.digest, Buffer.from(input), { key, ...scheme.parameters }, bytes);
}

function signAs(algorithm: string, prover: Prover, input: string): Buffer {
  if (algorithm === "none") return Buffer.alloc(0);
  if (algorithm === "HS256") return createHmac("sha256", JSON.stringify(prover.jwk)).update(input).digest();
  const scheme = findScheme(algorithm, prover.privateKey) ?? findScheme(prover.algorithm, prover.privateKey);
  if (scheme === undefined) throw new TypeError(`${prover.algorithm} is not known here`);
  return sign(scheme.digest, Buffer.from(input), { key: prover.privateKey, ...scheme.parameters });
}

function findScheme(algorithm: string, key: KeyObject): Scheme | undefined {
  const scheme = SCHEMES.get(algorithm);
  return scheme?.keyType === key.asymmetricKeyType ? scheme : undefined;
}
