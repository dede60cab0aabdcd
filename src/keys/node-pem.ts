import { createPrivateKey, type KeyObject } from "node:crypto";
import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { hasCode } from "./node-private-file.js";

// The lines around a block of RFC 7468 section 2. They are looked for one by one: a pattern for whole blocks would try
// each beginning with all that follows it.
const BOUNDARY = /-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----/g;

const PRIVATE_LABELS: ReadonlySet<string> = new Set([
  "PRIVATE KEY",
  "ENCRYPTED PRIVATE KEY",
  "EC PRIVATE KEY",
  "RSA PRIVATE KEY",
  // Not supported; listed so that the message can name its type.
  "DSA PRIVATE KEY",
]);

interface Block {
  readonly label: string;
  readonly text: string;
}

/**
 * Reads the private key of a PEM text as a JWK. Of several, the first.
 *
 * @param pem - PKCS#8, PKCS#8 encrypted, SEC1 or PKCS#1; other blocks beside it are ignored.
 * @param passphrase - Opens an encrypted key; ignored when the key is not encrypted.
 * @throws CredentialError `ERR_KEY_PUBLIC`, `ERR_KEY_PASSPHRASE`, `ERR_KEY_ALGORITHM` or `ERR_KEY_INVALID`.
 */
export function parsePrivatePem(pem: string, passphrase: string | undefined): JWK {
  const blocks = findBlocks(pem);
  const block = blocks.find(({ label }) => PRIVATE_LABELS.has(label));
  if (block === undefined) throw noPrivateKey(blocks.map(({ label }) => label));
  const encrypted = block.label.startsWith("ENCRYPTED") || block.text.includes("Proc-Type: 4,ENCRYPTED");
  if (encrypted && (passphrase === undefined || passphrase === "")) {
    throw new CredentialError("ERR_KEY_PASSPHRASE", "The private key is encrypted: give its passphrase");
  }
  return toJwk(openKey(block.text, encrypted ? passphrase : undefined));
}

/** Finds the complete blocks. A file may hold several: parameters before an EC key, certificates after any. */
function findBlocks(pem: string): readonly Block[] {
  const blocks: Block[] = [];
  let begun: { readonly label: string; readonly index: number } | undefined;
  for (const { 0: line, 1: edge, 2: label = "", index } of pem.matchAll(BOUNDARY)) {
    if (edge === "END" && begun?.label === label) {
      blocks.push({ label, text: pem.slice(begun.index, index + line.length) });
    }
    begun = edge === "BEGIN" ? { label, index } : undefined;
  }
  // RegExp.input holds on to the text that was matched last, which would be the key.
  /^/.test("");
  return blocks;
}

function openKey(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(passphrase !== undefined && { passphrase }) });
  } catch (cause) {
    if (hasCode(cause, "ERR_OSSL_EVP_UNSUPPORTED")) {
      const message =
        "The private key is encrypted with an obsolete cipher. Convert a copy: openssl pkcs8 -topk8 -v2 aes256";
      throw new CredentialError("ERR_KEY_INVALID", message, { cause });
    }
    if (passphrase !== undefined) {
      throw new CredentialError("ERR_KEY_PASSPHRASE", "The passphrase is wrong, or the private key damaged", { cause });
    }
    const message = "The private key is damaged, or of a type that is not supported: restore it, or make another one";
    throw new CredentialError("ERR_KEY_INVALID", message, { cause });
  }
}

function toJwk(key: KeyObject): JWK {
  try {
    return key.export({ format: "jwk" }) as JWK;
  } catch (cause) {
    const message = `A key of type ${key.asymmetricKeyType} is not supported: use EC P-256, P-384 or P-521, Ed25519, or RSA`;
    throw new CredentialError("ERR_KEY_ALGORITHM", message, { cause });
  }
}

function noPrivateKey(labels: readonly string[]): CredentialError {
  if (labels.some((label) => label.endsWith("PUBLIC KEY") || label === "CERTIFICATE")) {
    const message = "This is a public key or certificate: tokens are signed with the private key that belongs to it";
    return new CredentialError("ERR_KEY_PUBLIC", message);
  }
  if (labels.includes("OPENSSH PRIVATE KEY")) {
    const message = "This is a key in OpenSSH's format. Convert a copy: ssh-keygen -p -m PKCS8 -f COPY";
    return new CredentialError("ERR_KEY_INVALID", message);
  }
  const message =
    "There is no complete PEM block with a private key in the text: give all of it, BEGIN and END included";
  return new CredentialError("ERR_KEY_INVALID", message);
}
