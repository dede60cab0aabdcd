import { TokenRejectedError } from "../errors.js";
import { typeName } from "../lib/options.js";
import { createSingleFlight, type SingleFlight } from "../lib/single-flight.js";
import { readClaim } from "../token/claims.js";
import { type IssuerSettings, resolveIssuer } from "./issuer-settings.js";
import type { KeySource } from "./key-source.js";
import { type KeySourceContext, openKeySource } from "./open-key-source.js";
import type { TrustedIssuer } from "./trusted-issuer.js";
import type { VerifiedToken } from "./verified-token.js";

/** One issuer with everything that is its own: nothing of it is reachable by a token of another. */
export interface TrustEntry {
  /** What its tokens are held against. */
  readonly settings: IssuerSettings;
  /** Its keys. */
  readonly source: KeySource;
  /** Verifications under way, so that parallel calls with one token share one. */
  readonly flights: SingleFlight<string, VerifiedToken>;
}

/** The trusted issuers, by their exact "iss". */
export interface TrustStore extends Disposable {
  /** Gives the entry of an issuer; undefined for a stranger. */
  get(issuer: string): TrustEntry | undefined;
  /**
   * Gives the entry for the "iss" of a token.
   *
   * @throws TokenRejectedError `ERR_TOKEN_ISSUER`.
   */
  require(claims: Readonly<Record<string, unknown>>): TrustEntry;
}

/**
 * Creates a {@link TrustStore}.
 *
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function createTrustStore(issuers: readonly TrustedIssuer[], context: KeySourceContext): TrustStore {
  if (!Array.isArray(issuers)) throw new TypeError(`issuers must be an array, got ${typeName(issuers)}`);
  if (issuers.length === 0) throw new TypeError("issuers must not be empty");
  const entries = new Map<string, TrustEntry>();
  const dispose = (): void => {
    for (const { source } of entries.values()) source[Symbol.dispose]();
  };
  try {
    issuers.forEach((trusted, index) => {
      const field = `issuers[${index}]`;
      const settings = resolveIssuer(trusted, field);
      if (entries.has(settings.issuer)) throw new TypeError(`${field}.issuer is listed twice`);
      const source = openKeySource(trusted, context, field);
      entries.set(settings.issuer, { settings, source, flights: createSingleFlight() });
    });
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    get: (issuer) => entries.get(issuer),
    require(claims) {
      const issuer = readClaim(claims, "iss");
      // Strings only: a list with one good name among others must not count as that name.
      const entry = typeof issuer === "string" ? entries.get(issuer) : undefined;
      if (entry === undefined) throw new TokenRejectedError("ERR_TOKEN_ISSUER", "The issuer is not trusted");
      return entry;
    },
    [Symbol.dispose]: dispose,
  };
}
