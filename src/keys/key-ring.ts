import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertNotNegative, assertPositive } from "../lib/options.js";
import { createSecret } from "../lib/secret.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { isJwsAlgorithm, type JwsAlgorithm } from "../token/algorithms.js";
import type { KeyStore, StoredKey } from "./key-store.js";
import { type KeyState, type PlacedKey, placeKeys } from "./key-timeline.js";
import { generateSigningKey, importSigningKey, type SigningKey } from "./signing-key.js";

/** Options of {@link createKeyRing}. Processes that share a store have to be given equal ones. */
export interface KeyRingOptions {
  /** Where the keys are kept. */
  readonly store: KeyStore;
  /** Algorithm of the keys made from now on; those before stay what they are. @defaultValue `"ES256"` */
  readonly algorithm?: JwsAlgorithm;
  /**
   * How long a new key is published before it signs, in milliseconds: as long as any verifier may go on using the key
   * set it fetched before, so at least the `max-age` that the key set is served with. Sensible values are between twice
   * that and a day.
   */
  readonly gracePeriodMs: number;
  /** The longest life of a token signed by the ring, in milliseconds; an old key stays published that long. */
  readonly maxTokenLifetimeMs: number;
  /**
   * What verifiers tolerate after the end of a token, and how far apart the clocks of processes sharing the store may
   * be, in milliseconds; an old key stays published that much longer. @defaultValue `60_000` (1 minute)
   */
  readonly clockToleranceMs?: number;
  /** Hears why the store could not be read again while the ring goes on with the keys it has. Must not throw. */
  readonly onStoreError?: (error: unknown) => void;
  /** The time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** A key of a ring as an operator may see it: nothing secret. */
export interface KeyRingEntry {
  /** The RFC 7638 thumbprint of the key. */
  readonly kid: string;
  /** What it signs with. */
  readonly algorithm: JwsAlgorithm;
  /** `pending`: published, does not sign yet. `signing`: signs. `retiring`: verifies what it has signed. */
  readonly state: KeyState;
  /** Since when it is published, in milliseconds since the epoch. */
  readonly publishedAtMs: number;
  /** From when it signs, in milliseconds since the epoch. */
  readonly signsFromMs: number;
  /** Until when it is published, in milliseconds since the epoch; undefined while no successor is planned. */
  readonly retiresAtMs: number | undefined;
}

/** The signing keys of an issuer, which it can change without one token failing. */
export interface KeyRing {
  /** As configured. */
  readonly gracePeriodMs: number;
  /** As configured. */
  readonly maxTokenLifetimeMs: number;
  /** The key to sign with now. Do not hold on to it: the next call may give another one. */
  signingKey(): Promise<SigningKey>;
  /** The public keys to publish now: those that sign, have signed, or will sign. Public members only. */
  publicKeys(): Promise<readonly JWK[]>;
  /**
   * Publishes a new key, which signs once the grace period is over. The key before stays published until the last token
   * it may have signed has expired, and is deleted from the store at the first rotation after that.
   *
   * While a key waits for its turn nothing changes: that one is the new key, however often and by whatever process this
   * is called.
   *
   * @returns The key that is next.
   */
  rotate(): Promise<KeyRingEntry>;
  /** All keys, first to sign first. */
  keys(): Promise<readonly KeyRingEntry[]>;
  /** Ends the watch on the store. */
  [Symbol.dispose](): void;
}

const DEFAULTS = {
  algorithm: "ES256",
  clockToleranceMs: 60 * 1000,
} as const satisfies Partial<KeyRingOptions>;

// A store is looked at again after this part of the grace period, should it have no watch or a change go unnoticed:
// early enough that every process publishes a key well before any process signs with it.
const RELOAD_SHARE = 1 / 10;
const LONGEST_RELOAD_MS = 10 * 1000;

// Each attempt that fails means that another process has succeeded.
const MAX_SAVE_ATTEMPTS = 10;

// How long a caller waits for the store to answer.
const STORE_PATIENCE_MS = 5 * 1000;

type RingKey = Omit<StoredKey, "privateJwk"> & { readonly imported: SigningKey };

/**
 * Creates a ring of signing keys over a store: the first use of an empty store makes a key that signs at once; from
 * then on keys change by {@link KeyRing.rotate}, published before they sign and until what they signed has expired.
 *
 * What a key does follows from instants stored with it and the wall clock, so any number of processes may share a store
 * and need no leader. The ring watches the store and, besides, reads it again after a tenth of the grace period (at
 * most 10 s). When it cannot be read within 5 s, is damaged or suddenly empty, the keys known so far stay in use and
 * `onStoreError` hears of it. Keys are imported once and are not extractable.
 *
 * All methods reject with what the store rejects with as long as it was never read, `rotate()` also later; and with
 * {@link CredentialError} when a stored key cannot be imported, or the store does not answer or changes without end
 * (`ERR_CREDENTIAL_STORE`).
 *
 * @example
 * ```ts
 * import { createKeyRing } from "latchkey/issuer";
 * import { directoryKeyStore } from "latchkey/node";
 *
 * const keyRing = createKeyRing({
 *   store: directoryKeyStore("/var/lib/issuer/keys"),
 *   gracePeriodMs: 10 * 60 * 1000,
 *   maxTokenLifetimeMs: 60 * 60 * 1000,
 * });
 * await keyRing.rotate();
 * ```
 *
 * @param options - The store, the two durations, and collaborators with defaults. Durations in milliseconds.
 * @throws TypeError or RangeError naming the option that is missing or out of range.
 */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { store, gracePeriodMs, maxTokenLifetimeMs, onStoreError, clock = systemClock } = options;
  const { algorithm = DEFAULTS.algorithm, clockToleranceMs = DEFAULTS.clockToleranceMs } = options;
  if (typeof store?.load !== "function") throw new TypeError("store must be a KeyStore");
  if (!isJwsAlgorithm(algorithm)) throw new TypeError("algorithm must be the name of a signature algorithm");
  assertPositive("gracePeriodMs", gracePeriodMs);
  assertPositive("maxTokenLifetimeMs", maxTokenLifetimeMs);
  assertNotNegative("clockToleranceMs", clockToleranceMs);
  const afterlifeMs = maxTokenLifetimeMs + clockToleranceMs;
  const reloadMs = Math.min(gracePeriodMs * RELOAD_SHARE, LONGEST_RELOAD_MS);

  const loads = createSingleFlight<"load", readonly RingKey[]>();
  let known: readonly RingKey[] | undefined;
  let lookAgainAtMs = 0;
  let watch: Disposable | undefined;
  let disposed = false;

  async function newKey(signsAfterMs: number): Promise<StoredKey> {
    const { key, privateJwk } = await generateSigningKey({ algorithm });
    const publishedAtMs = clock.nowMs();
    const signsFromMs = publishedAtMs + signsAfterMs;
    return { kid: key.kid, privateJwk: createSecret(privateJwk), publishedAtMs, signsFromMs };
  }

  async function importKeys(stored: readonly StoredKey[]): Promise<readonly RingKey[]> {
    const before = new Map(known?.map((key) => [key.kid, key.imported]));
    return Promise.all(
      stored.map(async ({ privateJwk, ...instants }) => {
        const { kid } = instants;
        return { ...instants, imported: before.get(kid) ?? (await importSigningKey(privateJwk.reveal(), { kid })) };
      }),
    );
  }

  async function loadOrCreate(): Promise<readonly RingKey[]> {
    // Set before the store is read: a change noticed while reading moves it back, and the next call reads again.
    lookAgainAtMs = clock.monotonicMs() + reloadMs;
    for (let attempt = 0; attempt < MAX_SAVE_ATTEMPTS; attempt++) {
      const stored = await store.load();
      if (stored.length > 0) {
        known = await importKeys(stored);
        if (!disposed) watch ??= store.watch?.(() => (lookAgainAtMs = 0));
        return known;
      }
      if (known !== undefined) throw emptied();
      // Whether this process or another one wins, what the store then holds is what counts.
      await store.save([await newKey(0)], []);
    }
    throw tooManyChanges();
  }

  async function place(): Promise<readonly PlacedKey<RingKey>[]> {
    const before = known;
    if (before === undefined || clock.monotonicMs() >= lookAgainAtMs) {
      const patience = new AbortController();
      const timer = clock.setTimer(() => patience.abort(noAnswer()), STORE_PATIENCE_MS);
      try {
        await loads.run("load", loadOrCreate, patience.signal);
      } catch (error) {
        if (before === undefined) throw error;
        lookAgainAtMs = clock.monotonicMs() + reloadMs;
        onStoreError?.(error);
      } finally {
        timer[Symbol.dispose]();
      }
    }
    return placeKeys(known ?? [], clock.nowMs(), afterlifeMs);
  }

  async function rotate(): Promise<KeyRingEntry> {
    await place();
    for (let attempt = 0; attempt < MAX_SAVE_ATTEMPTS; attempt++) {
      const stored = await store.load();
      if (stored.length === 0) throw emptied();
      const placed = placeKeys(stored, clock.nowMs(), afterlifeMs);
      const waiting = placed.findLast(({ state }) => state === "pending");
      const next = waiting?.key ?? (await newKey(gracePeriodMs));
      if (waiting === undefined) {
        const retiresAtMs = next.signsFromMs + afterlifeMs;
        const kept = placed.map(({ key, state }) => (state === "signing" ? { ...key, retiresAtMs } : key));
        if (!(await store.save([...kept, next], stored))) continue;
      }
      lookAgainAtMs = 0;
      const [key] = await importKeys([next]);
      if (key !== undefined) return toEntry({ key, state: "pending", retiresAtMs: undefined });
    }
    throw tooManyChanges();
  }

  return {
    gracePeriodMs,
    maxTokenLifetimeMs,
    async signingKey() {
      const signing = (await place()).find(({ state }) => state === "signing");
      if (signing === undefined) throw emptied();
      return signing.key.imported;
    },
    publicKeys: async () => (await place()).map(({ key }) => key.imported.publicJwk),
    rotate,
    keys: async () => (await place()).map(toEntry),
    [Symbol.dispose]() {
      disposed = true;
      watch?.[Symbol.dispose]();
    },
  };
}

function toEntry({ key, state, retiresAtMs }: PlacedKey<RingKey>): KeyRingEntry {
  const { kid, publishedAtMs, signsFromMs, imported } = key;
  return { kid, algorithm: imported.algorithm, state, publishedAtMs, signsFromMs, retiresAtMs };
}

function emptied(): CredentialError {
  return new CredentialError("ERR_KEY_MISSING", "The key store held keys before and is empty now");
}

function noAnswer(): CredentialError {
  return new CredentialError("ERR_CREDENTIAL_STORE", "The key store does not answer");
}

function tooManyChanges(): CredentialError {
  return new CredentialError("ERR_CREDENTIAL_STORE", "Other processes change the key store without end; try again");
}
