import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";

/** What a certificate says; each part has a default that makes a sound one. */
export interface CertificateContent {
  /** Common name; not shown to be anybody's. */
  readonly subject?: string;
  /** Names and IPv4 addresses of the server. */
  readonly hosts?: readonly string[];
  /** Whether it is that of an authority. */
  readonly isAuthority?: boolean;
  /** Whose key it certifies; a new one when absent. */
  readonly keys?: KeyPair;
  /** A day ago and in a day when absent. */
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A certificate and its key, both PEM, and what they are made of. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
  readonly keys: KeyPair;
  readonly subject: string;
  /** Base64 of the SHA-256 hash of its SubjectPublicKeyInfo. */
  readonly pin: string;
}

/** Who certifies others. */
export interface Authority extends Certified {
  /** Makes a certificate of somebody's, signed with the key of this authority. */
  certify(content: CertificateContent): Certified;
  /** Makes the certificate of an authority below this one. */
  delegate(content: CertificateContent): Authority;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const ECDSA_WITH_SHA256 = sequence(objectId("2a8648ce3d040302"));
let serial = 0;

/** Makes an authority whose certificate is signed with its own key. P-256, ECDSA. */
export function createAuthority(content: CertificateContent = {}): Authority {
  const { keys = createKeyPair(), subject = `Test authority ${serial}` } = content;
  const issuer = { subject, keys };
  return toAuthority(certify(issuer, { ...content, keys, subject, isAuthority: true }));
}

export function createKeyPair(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function toAuthority(own: Certified): Authority {
  return {
    ...own,
    certify: (content) => certify(own, content),
    delegate: (content) => toAuthority(certify(own, { ...content, isAuthority: true })),
  };
}

function certify(
  issuer: { readonly subject: string; readonly keys: KeyPair },
  {
    subject = `Test ${serial}`,
    hosts = [],
    isAuthority = false,
    keys = createKeyPair(),
    notBeforeMs = Date.now() - DAY_MS,
    notAfterMs = Date.now() + DAY_MS,
  }: CertificateContent,
): Certified {
  const spki = keys.publicKey.export({ type: "spki", format: "der" });
  const critical = tlv(0x01, Buffer.from([0xff]));
  const names = hosts.map((host) =>
    isIPv4(host) ? tlv(0x87, Buffer.from(host.split(".").map(Number))) : tlv(0x82, Buffer.from(host)),
  );
  const extensions = sequence(
    ...(names.length > 0 ? [sequence(objectId("551d11"), tlv(0x04, sequence(...names)))] : []),
    sequence(objectId("551d13"), critical, tlv(0x04, sequence(...(isAuthority ? [critical] : [])))),
  );
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // version 3
    tlv(0x02, Buffer.from([1, ++serial >> 8, serial & 0xff])),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer.subject),
    sequence(utcTime(notBeforeMs), utcTime(notAfterMs)),
    distinguishedName(subject),
    spki,
    tlv(0xa3, extensions),
  );
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, issuer.keys.privateKey)]));
  return {
    cert: new X509Certificate(sequence(body, ECDSA_WITH_SHA256, signature)).toString(),
    key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    keys,
    subject,
    pin: createHash("sha256").update(spki).digest("base64"),
  };
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(objectId("550403"), tlv(0x0c, Buffer.from(commonName)))));
}

/** One DER element: tag, length, value. */
function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function sequence(...members: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(members));
}

function objectId(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

function utcTime(atMs: number): Buffer {
  const text = new Date(atMs)
    .toISOString()
    .replaceAll(/[-:T]|\.\d+/g, "")
    .slice(2);
  return tlv(0x17, Buffer.from(text));
}
