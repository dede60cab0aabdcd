import { createHash, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { systemClock } from "../lib/clock.js";
import { assertNonEmptyStrings } from "../lib/options.js";

/** SHA-256 hashes of public keys, each in canonical base64. */
export type SpkiPins = ReadonlySet<string>;

// 32 bytes in the one base64 spelling that has no bits left over.
const PIN = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
// No path of a real certificate comes near; each step costs a signature check.
const LONGEST_PATH = 8;

/**
 * Reads a list of pins.
 *
 * @param field - What the list is called in error messages, such as `options.spki`.
 * @param least - How many different pins there must be.
 * @throws TypeError naming the entry that is not the base64 of 32 bytes, and for too few different ones.
 */
export function parseSpkiPins(list: readonly string[], field: string, least: number): SpkiPins {
  assertNonEmptyStrings(field, list);
  for (const [index, entry] of list.entries()) {
    if (!PIN.test(entry))
      throw new TypeError(`${field}[${index}] must be the base64 of a SHA-256 hash (44 characters)`);
  }
  const pins = new Set(list);
  if (pins.size >= least) return pins;
  throw new TypeError(`${field} must hold ${least} different pins: one for a key in use and one for its successor`);
}

/**
 * Tells whether the key of the server, or of an authority that vouches for it, is pinned.
 *
 * A server sends whatever certificates it likes, and Node.js puts them in order by their names alone. Here each step up
 * must be signed with the key above, which must be that of an authority, at a time at which both are valid. A
 * certificate that only stands beside the path counts for nothing.
 *
 * @param socket - A connection whose handshake is done, and whose certificate was found to be trusted.
 */
export function hasPinnedKey(socket: TLSSocket, pins: SpkiPins): boolean {
  try {
    for (const certificate of readPath(socket)) {
      if (pins.has(formatPin(certificate))) return true;
    }
  } catch {
    // The connection has ended, or a certificate or key cannot be read. Thrown on, it would end the process.
  }
  return false;
}

function* readPath(socket: TLSSocket): Generator<X509Certificate> {
  let peer = socket.getPeerCertificate(true);
  let certificate = new X509Certificate(peer.raw);
  yield certificate;
  for (let step = 1; step < LONGEST_PATH && peer.issuerCertificate !== undefined; step++) {
    peer = peer.issuerCertificate;
    const issuer = new X509Certificate(peer.raw);
    // The last one is its own issuer.
    if (issuer.fingerprint256 === certificate.fingerprint256 || !vouchesFor(issuer, certificate)) return;
    certificate = issuer;
    yield certificate;
  }
}

function vouchesFor(issuer: X509Certificate, certificate: X509Certificate): boolean {
  // The handshake used the time of this machine, whatever clock the caller lives by.
  const nowMs = systemClock.nowMs();
  const isValid = Date.parse(issuer.validFrom) <= nowMs && nowMs <= Date.parse(issuer.validTo);
  return isValid && issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function formatPin({ publicKey }: X509Certificate): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}
