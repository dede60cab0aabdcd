import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import type { CompactJws } from "../token/compact-jws.js";

/**
 * Checks the signature of a compact JWS. Rejects with {@link TokenRejectedError} `ERR_TOKEN_SIGNATURE` unless it is good
 * for this key and for the algorithm that the token names, with `ERR_KEY_UNUSABLE` when WebCrypto cannot use the key, and
 * with {@link KeysUnavailableError} `ERR_TOO_MANY_PENDING`.
 */
export type VerifySignature = (
  jws: Pick<CompactJws, "alg" | "signingInput" | "signature">,
  key: CryptoKey,
) => Promise<void>;

/** What an algorithm name of RFC 7518 stands for. */
interface Scheme {
  /** What WebCrypto is asked for. */
  readonly parameters: AlgorithmIdentifier | EcdsaParams | RsaPssParams;
  /** What the key must say of itself, by the members of its `algorithm`. */
  readonly key: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
  /** Length of r and s together; the length of an RSA signature is that of its modulus, which WebCrypto checks. */
  readonly signatureBytes?: number;
}

// RFC 7518 sections 3.3 to 3.5, RFC 8037 section 3.1.
const SCHEMES: Readonly<Record<JwsAlgorithm, Scheme>> = {
  ES256: ecdsa("P-256", "SHA-256", 64),
  ES384: ecdsa("P-384", "SHA-384", 96),
  ES512: ecdsa("P-521", "SHA-512", 132),
  RS256: pkcs1("SHA-256"),
  RS384: pkcs1("SHA-384"),
  RS512: pkcs1("SHA-512"),
  PS256: pss("SHA-256", 32),
  PS384: pss("SHA-384", 48),
  PS512: pss("SHA-512", 64),
  EdDSA: { parameters: { name: "Ed25519" }, key: { name: "Ed25519" }, signatureBytes: 64 },
};
const BY_NAME: ReadonlyMap<string, Scheme> = new Map(Object.entries(SCHEMES));

/**
 * Creates a {@link VerifySignature} that has at most `maxPending` checks under way and turns away the others at once.
 *
 * WebCrypto works on threads of its own: while it computes, other calls go on.
 */
export function createVerifySignature(maxPending: number): VerifySignature {
  let pending = 0;
  return async ({ alg, signingInput, signature }, key) => {
    if (pending >= maxPending) {
      throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many tokens are being verified");
    }
    pending++;
    try {
      const scheme = BY_NAME.get(alg);
      if (scheme === undefined || !fits(key, scheme)) throw rejected();
      if (signature.length !== (scheme.signatureBytes ?? signature.length)) throw rejected();
      // All of it is base64url: a character is a byte.
      const signed = Buffer.from(signingInput, "latin1");
      if (!(await verifyBytes(scheme, key, signature, signed))) throw rejected();
    } finally {
      pending--;
    }
  };
}

async function verifyBytes(
  { parameters }: Scheme,
  key: CryptoKey,
  signature: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    return await crypto.subtle.verify(parameters, key, signature, signed);
  } catch {
    // Without the cause: what WebCrypto has to say about a key is not for whoever sent the token. Another code than that
    // of a bad signature, for it says nothing of this token that would be worth remembering.
    throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The signature cannot be checked with this key");
  }
}

/** A key is for one algorithm, whatever a token says. */
function fits({ algorithm }: CryptoKey, { key }: Scheme): boolean {
  const { name, namedCurve, hash } = algorithm as Partial<EcKeyAlgorithm & RsaHashedKeyAlgorithm>;
  return name === key.name && namedCurve === key.namedCurve && hash?.name === key.hash;
}

function ecdsa(namedCurve: string, hash: string, signatureBytes: number): Scheme {
  return { parameters: { name: "ECDSA", hash }, key: { name: "ECDSA", namedCurve }, signatureBytes };
}

function pkcs1(hash: string): Scheme {
  const name = "RSASSA-PKCS1-v1_5";
  return { parameters: { name }, key: { name, hash } };
}

function pss(hash: string, saltLength: number): Scheme {
  const name = "RSA-PSS";
  return { parameters: { name, saltLength }, key: { name, hash } };
}

function rejected(): TokenRejectedError {
  return new TokenRejectedError("ERR_TOKEN_SIGNATURE", "The signature does not verify");
}
