import { TokenSourceError } from "../errors.js";
import { assertNonEmptyString } from "../lib/options.js";
import type { TokenRequest } from "../token/token.js";
import type { DpopProofs } from "./dpop-proofs.js";

/** A value, or what gives it for the call that a token is for, such as by its origin. Has to give the same for equal calls. */
export type PerCall<T> = T | ((request: TokenRequest) => T);

/** What a token is asked for. */
export interface TokenTargetOptions {
  /** What the token shall permit, separated by spaces. @defaultValue not sent: what the server grants by default */
  readonly scope?: PerCall<string>;
  /** Absolute URI of the service that the token is for, or several. @defaultValue not sent */
  readonly resource?: PerCall<string | readonly string[]>;
  /** Name of the service that the token is for, as the authorization server knows it. @defaultValue not sent */
  readonly audience?: PerCall<string>;
}

/** Says what the token for a call is asked for. */
export interface TokenTarget {
  /**
   * Whether audience or resource is made for each call: every origin may then have a token of its own. A scope does not
   * count, for it says what a token permits and not where: any server could pass it on to another.
   */
  readonly perCall: boolean;
  /**
   * Gives the parameters of the token request; they belong to the caller.
   *
   * @throws TokenSourceError `ERR_TOKEN_SOURCE_INVALID` when a function gave what the option would be refused for.
   */
  parameters(request: TokenRequest): URLSearchParams;
  /** Tells calls apart that need different tokens; throws like `parameters`. */
  cacheKey(request: TokenRequest): string;
}

/** Name and value of one parameter. */
type Pair = [name: string, value: string];

/**
 * Creates a {@link TokenTarget}.
 *
 * Spec: RFC 6749 section 3.3 (scope), RFC 8693 section 2.1 (audience), RFC 8707 section 2 (resource).
 *
 * @param options - What is asked for, and what the tokens are bound to, if anything.
 * @throws TypeError if a value is empty, a scope has characters that none has, or a resource is no absolute URI.
 */
export function createTokenTarget(options: TokenTargetOptions & { readonly dpop?: DpopProofs }): TokenTarget {
  const { scope, resource, audience, dpop } = options;
  const parts = [
    toPart("scope", scope, (value) => [toPair("scope", value, assertScope)]),
    toPart("resource", resource, toResources),
    toPart("audience", audience, (value) => [toPair("audience", value, assertNonEmptyString)]),
  ];
  const read = (request: TokenRequest): Pair[] =>
    parts.flatMap((part) => (typeof part === "function" ? part(request) : part));
  // Written once where it is the same for every call: the cache asks for the key with each.
  const toKey = (pairs: unknown[]): string => JSON.stringify(dpop === undefined ? pairs : [...pairs, dpop.publicJwk]);
  const fixedKey = parts.some(isFunction) ? undefined : toKey(parts.flat());
  return {
    perCall: isFunction(resource) || isFunction(audience),
    parameters: (request) => new URLSearchParams(read(request)),
    cacheKey: (request) => fixedKey ?? toKey(read(request)),
  };
}

// RFC 6749 section 3.3.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** The parameters of one option, checked now, or what derives and checks them for a call. */
function toPart<T>(
  name: string,
  option: PerCall<T> | undefined,
  toPairs: (value: unknown) => Pair[],
): Pair[] | ((request: TokenRequest) => Pair[]) {
  if (option === undefined) return [];
  if (!isFunction(option)) return toPairs(option);
  return (request) => {
    const given = option(request);
    try {
      return toPairs(given);
    } catch (cause) {
      const message = `The function that gives the ${name} of a token gave something unusable`;
      throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", message, { cause });
    }
  };
}

function isFunction<T>(option: PerCall<T> | undefined): option is (request: TokenRequest) => T {
  return typeof option === "function";
}

function toPair(name: string, value: unknown, check: (field: string, value: unknown) => asserts value is string): Pair {
  check(name, value);
  return [name, value];
}

function toResources(value: unknown): Pair[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  // An empty list would ask for a token for everything.
  if (values.length === 0) throw new TypeError("resource must not be empty");
  return values.map((entry) => toPair("resource", entry, assertResource));
}

function assertScope(field: string, value: unknown): asserts value is string {
  assertNonEmptyString(field, value);
  if (!SCOPE.test(value)) throw new TypeError(`${field} must be scopes separated by single spaces`);
}

function assertResource(field: string, value: unknown): asserts value is string {
  assertNonEmptyString(field, value);
  if (!URL.canParse(value) || value.includes("#")) {
    throw new TypeError(`${field} must be an absolute URI without a fragment`);
  }
}
