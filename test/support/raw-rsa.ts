import { constants, createHash, type KeyObject, privateEncrypt, randomBytes } from "node:crypto";

/** Name of a hash as node:crypto knows it. */
export type Hash = "sha1" | "sha256" | "sha384" | "sha512";

/** What a signature by EMSA-PSS shall differ in from the one that PS256 asks for. */
export interface PssChanges {
  readonly hash?: Hash;
  readonly maskHash?: Hash;
  readonly saltBytes?: number;
  /** Last byte. */
  readonly trailer?: number;
  /** Byte before the salt. */
  readonly separator?: number;
  /** First byte of the zeros before that. */
  readonly padding?: number;
  /** What the leading bits, which have to be zero, become. */
  readonly leadingBits?: number;
  /** Bit of the hash that is flipped. */
  readonly hashFlip?: number;
}

const DIGEST_INFO: Readonly<Record<Hash, string>> = {
  sha1: "3021300906052b0e03021a05000414",
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

/** The ASN.1 in a PKCS #1 v1.5 signature: which hash, and the hash (RFC 8017 section 9.2, note 1). */
export function digestInfo(message: string, hash: Hash = "sha256"): Buffer {
  return Buffer.concat([Buffer.from(DIGEST_INFO[hash], "hex"), digest(hash, Buffer.from(message))]);
}

/** Pads as RFC 8017 section 9.2 has it, or differently: zero, block type, filling, zero, content. */
export function padPkcs1(
  content: Buffer,
  bytes: number,
  {
    start = 0,
    type = 1,
    fill = 0xff,
    end = 0,
    rest = Buffer.alloc(0),
  }: Partial<Record<"start" | "type" | "fill" | "end", number>> & { readonly rest?: Buffer } = {},
): Buffer {
  const filling = Buffer.alloc(bytes - 3 - content.length - rest.length, fill);
  return Buffer.concat([Buffer.from([start, type]), filling, Buffer.from([end]), content, rest]);
}

/** Encodes by EMSA-PSS (RFC 8017 section 9.1.1) for a modulus of so many bytes, all bits used. */
export function padPss(message: string, bytes: number, changes: PssChanges = {}): Buffer {
  const { hash = "sha256", maskHash = hash, trailer = 0xbc, separator = 1, padding = 0 } = changes;
  const { saltBytes = 32, leadingBits = 0, hashFlip } = changes;
  const salt = randomBytes(saltBytes);
  const h = digest(hash, Buffer.concat([Buffer.alloc(8), digest(hash, Buffer.from(message)), salt]));
  const filling = Buffer.alloc(bytes - saltBytes - h.length - 2);
  if (filling.length > 0) filling[0] = padding;
  const db = Buffer.concat([filling, Buffer.from([separator]), salt]);
  const mask = maskOf(h, db.length, maskHash);
  const masked = db.map((byte, index) => byte ^ (mask[index] ?? 0));
  masked[0] = ((masked[0] ?? 0) & 0x7f) | leadingBits;
  if (hashFlip !== undefined) h[hashFlip >> 3] = (h[hashFlip >> 3] ?? 0) ^ (1 << (hashFlip & 7));
  return Buffer.concat([masked, h, Buffer.from([trailer])]);
}

/** Signs without any padding: the private operation on the bytes themselves. */
export function signRaw(key: KeyObject, encoded: Buffer): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

function maskOf(seed: Buffer, length: number, hash: Hash): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; Buffer.concat(blocks).length < length; counter++) {
    blocks.push(digest(hash, Buffer.concat([seed, Buffer.from([0, 0, 0, counter])])));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function digest(hash: Hash, data: Buffer): Buffer {
  return createHash(hash).update(data).digest();
}
