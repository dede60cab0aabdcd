import { generateKeyPairSync } from "node:crypto";
import { type PublicKey, parsePublicKeyPem } from "../../src/app/credentials/public-key-pem.js";

/** Gives the public half of a fresh P-256 key as PEM. */
export function freshPublicKeyPem(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .publicKey.export({ type: "spki", format: "pem" })
    .toString();
}

/** Gives the public half of a fresh P-256 key as it is recorded. */
export function freshPublicKey(): Promise<PublicKey> {
  return parsePublicKeyPem(freshPublicKeyPem());
}
