import { LRUCache } from "lru-cache";
import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import { toVerificationKey } from "../jwks/crypto-key.js";
import { importVerificationKey, type VerificationKey } from "../jwks/verification-key.js";
import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { isStrings } from "../token/claims.js";
import type { KeySource } from "./key-source.js";
import type { FindKey, TrustedKey, TrustedPrincipal } from "./trusted-issuer.js";

/** Options of {@link createLookUpSource}. */
export interface LookUpSourceOptions {
  /** Finds a key. */
  readonly findKey: FindKey;
  /** How long an answer serves, counted from the question, in milliseconds. */
  readonly maxAgeMs: number;
  /** Most questions under way; more callers are turned away. */
  readonly maxPending: number;
  /** Time. */
  readonly clock: Clock;
}

/** A {@link TrustedKey}, checked and copied: what the look-up function does with its own later changes nothing here. */
interface FoundKey {
  readonly key: VerificationKey;
  readonly algorithms: readonly string[];
  readonly principal: TrustedPrincipal | undefined;
}

interface Answer {
  readonly found: FoundKey | undefined;
  readonly askedAtMs: number;
}

const DEFAULTS = {
  /** Longest wait for an answer. */
  timeoutMs: 3 * 1_000,
  maxFound: 10_000,
  // Kept apart from the keys: strangers can make up any number of kids.
  maxNotFound: 1_000,
} as const satisfies Record<string, number>;

/** Takes the keys of an issuer from a look-up function, one "kid" at a time. */
export function createLookUpSource({ findKey, maxAgeMs, maxPending, clock }: LookUpSourceOptions): KeySource {
  const found = new LRUCache<string, Answer>({ max: DEFAULTS.maxFound });
  const notFound = new LRUCache<string, Answer>({ max: DEFAULTS.maxNotFound });
  const flights = createSingleFlight<string, Answer>();
  const disposal = new AbortController();
  let generation = 0;
  let pending = 0;

  const peek = (kid: string): Answer | undefined => {
    const answer = found.get(kid) ?? notFound.get(kid);
    return answer !== undefined && clock.monotonicMs() < answer.askedAtMs + maxAgeMs ? answer : undefined;
  };

  const remember = (kid: string, answer: Answer): void => {
    // An answer of the other kind has grown old, and would be looked at first.
    found.delete(kid);
    notFound.delete(kid);
    (answer.found === undefined ? notFound : found).set(kid, answer);
  };

  const ask = async (kid: string): Promise<Answer> => {
    if (pending >= maxPending) {
      throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many keys are being looked up");
    }
    const askedIn = generation;
    const askedAtMs = clock.monotonicMs();
    pending++;
    try {
      const trusted = await findInTime(findKey, kid, clock, disposal.signal);
      const answer = { found: trusted && (await importFound(kid, trusted)), askedAtMs };
      // Asked before a key was forgotten, the answer may be the very one that was to be forgotten.
      if (askedIn === generation) remember(kid, answer);
      return answer;
    } finally {
      pending--;
    }
  };

  return {
    async getKey(kid, algorithm) {
      // The generation is a number, so no "kid" can be mistaken for another one of another generation.
      const answer = peek(kid) ?? (await flights.run(`${generation} ${kid}`, () => ask(kid)));
      if (answer.found === undefined) throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The issuer has no such key");
      const { key: verificationKey, algorithms, principal } = answer.found;
      const key = algorithms.includes(algorithm) ? await verificationKey.key(algorithm) : undefined;
      if (key !== undefined) return { key, principal, handle: answer };
      throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key does not serve the token's algorithm");
    },
    isCurrent: (kid, _algorithm, handle) => peek(kid) === handle,
    get generation() {
      return generation;
    },
    forgetKey(kid) {
      generation++;
      found.delete(kid);
      notFound.delete(kid);
    },
    [Symbol.dispose]() {
      disposal.abort(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The verifier is disposed"));
      found.clear();
    },
  };
}

async function findInTime(
  findKey: FindKey,
  kid: string,
  clock: Clock,
  disposal: AbortSignal,
): Promise<TrustedKey | undefined> {
  disposal.throwIfAborted();
  const deadline = new AbortController();
  const stop = (): void => deadline.abort(disposal.reason);
  disposal.addEventListener("abort", stop, { once: true });
  const timer = clock.setTimer(() => deadline.abort(unavailable()), DEFAULTS.timeoutMs);
  try {
    const asked = (async () => findKey(kid, { signal: deadline.signal }))();
    // Databases give null for what is not there, and not every caller has a compiler that minds.
    return (await raceSignal(asked, deadline.signal)) ?? undefined;
  } catch (error) {
    throw error instanceof KeysUnavailableError ? error : unavailable({ cause: error });
  } finally {
    timer[Symbol.dispose]();
    disposal.removeEventListener("abort", stop);
  }
}

async function importFound(kid: string, { key: given, algorithms, principal }: TrustedKey): Promise<FoundKey> {
  if ((algorithms !== undefined && !isStrings(algorithms)) || (principal !== undefined && !isPrincipal(principal))) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "What was found with the key is not usable");
  }
  const key = await (given instanceof CryptoKey
    ? toVerificationKey(kid, given)
    : importVerificationKey({ ...given, kid }));
  return {
    key,
    algorithms: [...(algorithms ?? key.algorithms)],
    principal: principal && { ...principal, roles: [...principal.roles] },
  };
}

function isPrincipal({ principalId, org, roles }: TrustedPrincipal): boolean {
  return isText(principalId) && isText(org) && isStrings(roles);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function unavailable(options?: ErrorOptions): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The key could not be looked up", options);
}
