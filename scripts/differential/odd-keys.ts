import { createHash, randomBytes } from "node:crypto";
import type { TestIssuer } from "latchkey/testing";

/** "kid" of a key by which everybody can sign. */
export const WEAK_KID = "weak";
/** Another name of a good key, with a blank in it. */
export const BLANK_KID = "key one";

const MODULUS_BYTES = 256;
// RFC 8017 section 9.2: what stands before a SHA-256 in a signature.
const DIGEST_INFO = Buffer.from("3031300d060960864801650304020105000420", "hex");

/**
 * Has the issuer of RSA keys publish one more, with the exponent 1: a signature is then the padded message itself. The one
 * of Ed25519 publishes its key a second time, by another name.
 */
export function withOddKeys(issuer: TestIssuer): TestIssuer {
  const { keys } = issuer.jwks();
  switch (issuer.algorithms[0]) {
    case "RS256":
      return { ...issuer, jwks: () => ({ keys: [...keys, createWeakKey()] }) };
    case "EdDSA":
      return { ...issuer, jwks: () => ({ keys: [...keys, { ...keys[0], kty: "OKP", kid: BLANK_KID }] }) };
    default:
      return issuer;
  }
}

function createWeakKey(): { readonly kty: string; readonly kid: string } & Record<string, string> {
  const modulus = randomBytes(MODULUS_BYTES);
  modulus[0] = 0xff;
  modulus[MODULUS_BYTES - 1] = 0xff;
  return { kty: "RSA", n: modulus.toString("base64url"), e: "AQ", kid: WEAK_KID, alg: "RS256", use: "sig" };
}

/** Signs a token with no secret at all. */
export function forgeWithWeakKey(issuer: TestIssuer): Promise<string> {
  return issuer.forge({
    header: { alg: "RS256", kid: WEAK_KID, typ: "at+jwt" },
    signature(input) {
      const digest = Buffer.concat([DIGEST_INFO, createHash("sha256").update(input).digest()]);
      const filling = Buffer.alloc(MODULUS_BYTES - digest.length - 3, 0xff);
      return Buffer.concat([Buffer.from([0, 1]), filling, Buffer.alloc(1), digest]);
    },
  });
}
