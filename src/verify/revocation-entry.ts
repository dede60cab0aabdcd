import { assertFields, assertNonEmptyString, assertNotNegative, type FieldsOf } from "../lib/options.js";

/** One token is revoked. */
export interface RevokedToken {
  /** "iss". */
  readonly issuer: string;
  /** "jti". */
  readonly jti: string;
  /**
   * Its "exp", in seconds since the epoch: then the entry is of no use any more.
   *
   * @defaultValue unknown: as late as any token that was issued up to now
   */
  readonly expiresAt?: number;
}

/** Every token that a key verifies is revoked, those too that will be signed with it. */
export interface RevokedKey {
  /** "iss". */
  readonly issuer: string;
  /** "kid". */
  readonly kid: string;
}

/** Every token of a subject that was issued before an instant is revoked; one without "iat" counts as issued before. */
export interface RevokedSubject {
  /** "iss". */
  readonly issuer: string;
  /** "sub". */
  readonly subject: string;
  /**
   * The instant, in seconds since the epoch as "iat" is. A token whose "iat" is this very number is not revoked.
   *
   * For all tokens up to now, give the present and how far ahead the issuer's clock may be; new ones count only after it.
   */
  readonly issuedBefore: number;
}

/** What is revoked; names of one issuer say nothing about those of another. */
export type RevocationEntry = RevokedToken | RevokedKey | RevokedSubject;

/** What an entry can go by. */
export const REVOCATION_NAMES = ["jti", "kid", "subject"] as const;

/** What an entry goes by. */
export type RevocationName = (typeof REVOCATION_NAMES)[number];

/** An entry, taken apart. */
export interface RevocationMark {
  readonly issuer: string;
  /** By which of its names a token is meant. */
  readonly by: RevocationName;
  /** That name. */
  readonly name: string;
  /** Tokens issued before this are meant, in seconds since the epoch; `Infinity`: all. */
  readonly issuedBefore: number;
  /** "exp" of the one token that is meant, in seconds since the epoch; undefined when unknown or when there are many. */
  readonly expiresAt: number | undefined;
}

const FIELDS = {
  jti: { issuer: true, jti: true, expiresAt: true } satisfies FieldsOf<RevokedToken>,
  kid: { issuer: true, kid: true } satisfies FieldsOf<RevokedKey>,
  subject: { issuer: true, subject: true, issuedBefore: true } satisfies FieldsOf<RevokedSubject>,
};

type AnyEntry = Partial<RevokedToken & RevokedKey & RevokedSubject>;

/**
 * How much longer than its tokens live an entry is remembered: clocks may disagree, and verifiers tolerate that, by no
 * more than this.
 */
export const REVOCATION_SLACK_MS: number = 60 * 1_000;

/**
 * Takes an entry apart. Whatever it has that is not understood could narrow or widen what is revoked, so it is refused.
 *
 * @param field - What the entry is called in error messages, which show nothing of its values.
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function parseRevocationEntry(entry: RevocationEntry, field: string): RevocationMark {
  const given: AnyEntry = typeof entry === "object" && entry !== null ? entry : {};
  const by = REVOCATION_NAMES.find((name) => Object.hasOwn(given, name));
  if (by === undefined) throw new TypeError(`${field} must be an object with a jti, kid or subject`);
  assertFields<AnyEntry>(field, given, FIELDS[by] as FieldsOf<AnyEntry>);
  const { issuer, [by]: name, issuedBefore = Number.POSITIVE_INFINITY, expiresAt } = given;
  assertNonEmptyString(`${field}.issuer`, issuer);
  assertNonEmptyString(`${field}.${by}`, name);
  if (by === "subject") assertSeconds(`${field}.issuedBefore`, given.issuedBefore as number);
  if (expiresAt !== undefined) assertSeconds(`${field}.expiresAt`, expiresAt);
  return { issuer, by, name, issuedBefore, expiresAt };
}

/**
 * Tells when what was revoked need not be known any more.
 *
 * @param nowMs - The present, in milliseconds since the epoch, as what is returned.
 * @returns `Infinity` when it has to be known for good.
 */
export function forgetAtMs(mark: RevocationMark, nowMs: number, maxLifetimeSeconds: number): number {
  const { by, issuedBefore, expiresAt } = mark;
  // Who has stolen the key of an issuer signs tokens for as long as it is published.
  if (by === "kid") return Number.POSITIVE_INFINITY;
  const lastIssuedMs = by === "jti" ? nowMs : Math.max(nowMs, issuedBefore * 1_000);
  const lastExpiryMs = expiresAt === undefined ? lastIssuedMs + maxLifetimeSeconds * 1_000 : expiresAt * 1_000;
  return lastExpiryMs + REVOCATION_SLACK_MS;
}

// The year 5138. Who gives milliseconds would revoke what has yet to be issued, or remember it for ever.
const LATEST_SECONDS = 100_000_000_000;

function assertSeconds(field: string, value: number): void {
  assertNotNegative(field, value);
  if (value > LATEST_SECONDS) throw new RangeError(`${field} must be in seconds, got ${value}`);
}
