import { TokenSourceError } from "../errors.js";
import { isToken68 } from "../token/bearer.js";
import { readClaim } from "../token/claims.js";
import type { Token } from "../token/token.js";
import { readExpiryHintMs } from "./expiry-hint.js";
import type { OAuthDocument } from "./oauth-fetch.js";

/** What a token endpoint gave. */
export interface TokenResponse {
  /** The token, with the instant of its expiry by this machine's clock. */
  readonly token: Token;
  /** The scope that was granted; absent: the one that was asked for. */
  readonly scope?: string;
  /** What kind of token it is (RFC 8693 section 2.2.1); absent unless the server says. */
  readonly issuedTokenType?: string;
  /** The present by the server's clock when it answered, in milliseconds since the epoch; absent unless it says. */
  readonly serverTimeMs?: number;
}

/** How a token is sent, as a token endpoint says it, in lower case. */
export type TokenType = "bearer" | "dpop";

/** The members of a token response that are relied upon, checked. */
export interface TokenDocument {
  readonly access_token: string;
  readonly token_type: TokenType;
  /** Positive, at most a day, in seconds; absent when the server does not say. */
  readonly expires_in?: number;
  readonly scope?: string;
  readonly issued_token_type?: string;
}

const LONGEST_LIFE_SECONDS = 24 * 60 * 60;
/** How long a token of which nothing is known is used. */
const UNKNOWN_LIFE_SECONDS = 5 * 60;

/**
 * Checks what a token endpoint answered, before anything else interprets it, and drops every member that is not needed,
 * refresh and ID tokens too.
 *
 * "expires_in" is a positive finite number, or one in the digits of a text, as some servers write it. More than a day
 * counts as a day.
 *
 * Spec: RFC 6749 sections 5.1 and 7.1, RFC 6750 section 2.1, RFC 8693 section 2.2.1, RFC 9449 section 5.
 *
 * @param wanted - The one type that is accepted. A bearer token in place of one that is bound to a key would be worth as
 * much to a thief as to us; one that is bound is of no use without the key.
 * @throws TokenSourceError `ERR_TOKEN_SOURCE_INVALID`, with a text that names the member and never its value.
 */
export function checkTokenDocument(document: OAuthDocument, wanted: TokenType = "bearer"): TokenDocument {
  const value = readClaim(document, "access_token");
  if (typeof value !== "string" || !isToken68(value)) throw invalid("access_token", "is no bearer token");
  const type = readClaim(document, "token_type");
  if (typeof type !== "string" || type.toLowerCase() !== wanted) {
    throw invalid("token_type", `is not ${wanted === "dpop" ? "DPoP" : "Bearer"}`);
  }
  const expiresIn = readExpiresIn(document);
  const scope = readText(document, "scope");
  const issuedTokenType = readText(document, "issued_token_type");
  return {
    access_token: value,
    token_type: wanted,
    ...(expiresIn !== undefined && { expires_in: expiresIn }),
    ...(scope !== undefined && { scope }),
    ...(issuedTokenType !== undefined && { issued_token_type: issuedTokenType }),
  };
}

/** When a token response was asked for and what was learnt of the server's clock. */
export interface TokenResponseTimes {
  /** When the request was sent, by this machine's wall clock. The token was issued then or later. */
  readonly requestedAtMs: number;
  /** By how much the server's clock is ahead of this machine's, in milliseconds; 0 when unknown. */
  readonly serverAheadMs: number;
  /** See {@link TokenResponse.serverTimeMs}. */
  readonly serverTimeMs: number | undefined;
}

/**
 * Makes the token of a checked document.
 *
 * Without "expires_in" the "exp" of a JWT serves as a hint, corrected by what is known of the server's clock; nothing of
 * it is verified, and it only decides when the token is replaced. Without that either, the token is used for 5 minutes.
 *
 * @throws TokenSourceError `ERR_TOKEN_SOURCE_INVALID` when the token says of itself that it has expired.
 */
export function toTokenResponse(document: TokenDocument, times: TokenResponseTimes): TokenResponse {
  const { requestedAtMs, serverAheadMs, serverTimeMs } = times;
  const lifeSeconds = document.expires_in ?? hintedLifeSeconds(document.access_token, requestedAtMs + serverAheadMs);
  const token: Token = Object.freeze({
    value: document.access_token,
    expiresAtMs: requestedAtMs + lifeSeconds * 1_000,
    issuedAtMs: requestedAtMs,
  });
  return {
    token,
    ...(document.scope !== undefined && { scope: document.scope }),
    ...(document.issued_token_type !== undefined && { issuedTokenType: document.issued_token_type }),
    ...(serverTimeMs !== undefined && { serverTimeMs }),
  };
}

function readExpiresIn(document: OAuthDocument): number | undefined {
  const value = readClaim(document, "expires_in");
  if (value === undefined) return undefined;
  // Number("") is 0, Number(true) is 1, and parseFloat stops at the first letter: digits only.
  const seconds = typeof value === "string" && /^\d{1,20}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds <= 0) {
    throw invalid("expires_in", "is not a positive number of seconds");
  }
  return Math.min(seconds, LONGEST_LIFE_SECONDS);
}

function readText(document: OAuthDocument, name: string): string | undefined {
  const value = readClaim(document, name);
  if (value === undefined || typeof value === "string") return value;
  throw invalid(name, "is not a string");
}

function hintedLifeSeconds(value: string, serverNowMs: number): number {
  const expiresAtMs = readExpiryHintMs(value);
  if (expiresAtMs === undefined) return UNKNOWN_LIFE_SECONDS;
  const seconds = (expiresAtMs - serverNowMs) / 1_000;
  if (seconds <= 0) throw invalid("access_token", "has expired");
  return Math.min(seconds, LONGEST_LIFE_SECONDS);
}

function invalid(member: string, what: string): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The "${member}" that the token endpoint gave ${what}`);
}
