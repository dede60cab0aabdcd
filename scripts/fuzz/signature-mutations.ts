import type { TextMutation } from "./text-mutations.ts";

type BytesMutation = (signature: Buffer, random: Parameters<TextMutation>[1]) => Uint8Array;

/** Order of the group of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3). */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** Order of the group of Ed25519 (RFC 8032 section 5.1). */
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const MUTATIONS: readonly BytesMutation[] = [
  // (r, n - s): it verifies as well as (r, s) does, for ECDSA has two signatures for each one.
  (signature) => replaceSecondHalf(signature, toBytes(P256_ORDER - toNumber(signature.subarray(32, 64)))),
  (signature) => replaceSecondHalf(signature, toBytes(P256_ORDER + toNumber(signature.subarray(32, 64)))),
  // S + L, little-endian: RFC 8032 section 5.1.7 refuses it.
  (signature) => {
    const s = toNumber(Buffer.from(signature.subarray(32, 64)).reverse()) + ED25519_ORDER;
    return replaceSecondHalf(signature, toBytes(s).reverse());
  },
  (signature) => new Uint8Array(signature.length),
  (signature) => replaceSecondHalf(Buffer.alloc(signature.length), toBytes(1n)),
  (signature) => new Uint8Array(signature.length).fill(0xff),
  (signature) => replaceSecondHalf(signature, toBytes(P256_ORDER)),
  (signature) => Buffer.concat([signature, signature]),
  (signature) => Buffer.concat([Buffer.alloc(1), signature]),
  (signature) => signature.subarray(0, -1),
  (signature) => signature.subarray(0, 0),
  // In DER, as X.509 has ECDSA's.
  (signature) =>
    Buffer.concat([
      Buffer.from([0x30, 0x44, 2, 0x20]),
      signature.subarray(0, 32),
      Buffer.from([2, 0x20]),
      signature.subarray(32, 64),
    ]),
  (signature, random) => {
    const changed = Buffer.from(signature);
    const at = random.int(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.int(8));
    return changed;
  },
  (signature, random) => Buffer.from(signature).fill(random.int(256), random.int(signature.length)),
];

/** Changes the signature of a token, canonically spelt. */
export const mutateSignature: TextMutation = (token, random) => {
  const [header, payload, signature = ""] = token.split(".");
  const bytes = random.pick(MUTATIONS)(Buffer.from(signature, "base64url"), random);
  return `${header}.${payload}.${Buffer.from(bytes).toString("base64url")}`;
};

/** Reads a big-endian number. */
export function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(BigInt.asUintN(256, value).toString(16).padStart(64, "0"), "hex");
}

function replaceSecondHalf(signature: Buffer, half: Uint8Array): Buffer {
  return Buffer.concat([signature.subarray(0, 32), half, signature.subarray(64)]);
}
