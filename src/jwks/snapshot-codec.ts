import { decodeBase64url, encodeBase64url } from "../lib/base64url.js";
import type { JwksSnapshot } from "./jwks-snapshot.js";
import { findFlaw } from "./key-hygiene.js";
import type { PublicJwk } from "./key-set.js";
import { importSnapshotSecret, SNAPSHOT_MAC } from "./snapshot-secret.js";
import type { SnapshotSecret } from "./snapshot-store.js";

/** Whose keys a snapshot holds. One of another tenant, provider, issuer or URL is refused. */
export interface SnapshotBinding {
  /** Tenant it is registered for. */
  readonly tenantId: string;
  /** Which of the tenant's providers. */
  readonly providerId: string;
  /** "iss" of its tokens, where registered. */
  readonly issuer: string | undefined;
  /** Where its keys are fetched, in normal form. */
  readonly url: string;
}

/** Makes snapshots texts that nobody can change or pass off as another provider's. */
export interface SnapshotCodec {
  /** Writes a snapshot. The keys are bound to the URL that the snapshot names. */
  seal(snapshot: JwksSnapshot, owner: Omit<SnapshotBinding, "url">): Promise<string>;
  /**
   * Reads one back. Whether it is too old, or of a time to come, is for {@link Jwks.hydrate} to say.
   *
   * @param text - Anything that a store may give. Nothing of it is parsed before it has proved authentic.
   * @param maxBodyBytes - Longest answer that the keys can have come in.
   * @returns The snapshot, or undefined for all but a text of {@link SnapshotCodec.seal}, character by character, under
   * one of the secrets and this binding.
   */
  open(text: unknown, binding: SnapshotBinding, maxBodyBytes: number): Promise<JwksSnapshot | undefined>;
}

const FORMAT = "latchkey-jwks-snapshot";
const VERSION = 1;
// 32 bytes in base64url.
const MAC_CHARACTERS = 43;
// Room beside the keys for validators, instants and punctuation.
const ROOM_CHARACTERS = 4_096;

/**
 * Creates a {@link SnapshotCodec}.
 *
 * A text has three lines: a head that says whose keys these are, a MAC, and the keys. The MAC covers the head, the keys
 * and the whole URL, of which the head leaves out the query: it may hold what only the issuer should know.
 *
 * Spec: RFC 2104 (HMAC), RFC 4648 section 5 (base64url).
 *
 * @param secret - See {@link SnapshotOptions.secret}.
 * @param field - What it is called in error messages, such as `options.snapshots.secret`.
 * @throws TypeError or RangeError naming the field.
 */
export function createSnapshotCodec(secret: SnapshotSecret, field: string): SnapshotCodec {
  const macKeys = importSnapshotSecret(secret, field);
  return {
    async seal({ url, keys, etag, lastModified, fetchedAtMs, ttlMs }, owner) {
      const head = formatHead({ ...owner, url });
      const body = JSON.stringify({ keys, etag, lastModified, fetchedAtMs, ttlMs });
      const [key] = await macKeys;
      const mac = await crypto.subtle.sign(SNAPSHOT_MAC, key, toMessage(url, head, body));
      return `${head}\n${encodeBase64url(new Uint8Array(mac))}\n${body}`;
    },
    async open(text, binding, maxBodyBytes) {
      const head = formatHead(binding);
      const macStart = head.length + 1;
      const macEnd = macStart + MAC_CHARACTERS;
      if (typeof text !== "string" || text.length > macEnd + maxBodyBytes + ROOM_CHARACTERS) return undefined;
      if (!text.startsWith(`${head}\n`) || text[macEnd] !== "\n") return undefined;
      // A lone surrogate is encoded as another character is: two texts would have one MAC.
      if (!text.isWellFormed()) return undefined;
      const mac = decodeBase64url(text.slice(macStart, macEnd));
      if (mac === undefined) return undefined;
      const body = text.slice(macEnd + 1);
      const message = toMessage(binding.url, head, body);
      for (const key of await macKeys) {
        if (await crypto.subtle.verify(SNAPSHOT_MAC, key, mac, message)) return readContent(body, binding.url);
      }
      return undefined;
    },
  };
}

function formatHead({ tenantId, providerId, issuer, url }: SnapshotBinding): string {
  const { origin, pathname } = new URL(url);
  return JSON.stringify({
    format: FORMAT,
    version: VERSION,
    tenantId,
    providerId,
    issuer,
    url: `${origin}${pathname}`,
  });
}

/** What the MAC covers. Neither JSON nor a URL has a line break, so no two sets of parts make one message. */
function toMessage(url: string, head: string, body: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${FORMAT}\n${url}\n${head}\n${body}`);
}

/** The text is authentic by now, but perhaps of a release that wrote other things. */
function readContent(text: string, url: string): JwksSnapshot | undefined {
  const content: unknown = JSON.parse(text);
  if (typeof content !== "object" || content === null) return undefined;
  const { keys, etag, lastModified, fetchedAtMs, ttlMs } = content as Readonly<Record<string, unknown>>;
  if (!Array.isArray(keys) || !keys.every(isSoundJwk)) return undefined;
  if (typeof fetchedAtMs !== "number" || typeof ttlMs !== "number") return undefined;
  return {
    url,
    keys,
    ...(typeof etag === "string" && { etag }),
    ...(typeof lastModified === "string" && { lastModified }),
    fetchedAtMs,
    ttlMs,
  };
}

/** Nothing symmetric, private or weak, whoever wrote it. */
function isSoundJwk(value: unknown): value is PublicJwk {
  return findFlaw(value) === undefined;
}
