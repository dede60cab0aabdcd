import { assertFields, assertPositive, type FieldsOf, typeName, withoutUndefined } from "../lib/options.js";

/**
 * Where snapshots are kept: a `Keyv` instance fits, over memory or Redis. Nothing that comes out of it is trusted.
 *
 * What a method throws or rejects with counts as a failure of the store, a call that is not answered within
 * {@link SnapshotOptions.timeoutMs} as well; neither reaches a caller. A call that is given up on may still be answered
 * later. At most one call that changes a key is under way at a time, in the order in which they were asked for.
 *
 * A `Keyv` tells of its own failures by the event `error` and answers as if nothing were stored: listen to it, or set
 * `throwOnErrors`.
 *
 * @example
 * ```ts
 * import { createJwksRegistry, type SnapshotStore } from "latchkey/jwks";
 *
 * const texts = new Map<string, string>();
 * const store: SnapshotStore = {
 *   get: (key) => texts.get(key),
 *   set: (key, text) => texts.set(key, text),
 *   delete: (key) => texts.delete(key),
 * };
 * const secret = crypto.getRandomValues(new Uint8Array(32));
 * export const registry = createJwksRegistry({ snapshots: { store, secret } });
 * ```
 */
export interface SnapshotStore {
  /** Gives what was set, or undefined. */
  get(key: string): unknown;
  /**
   * Keeps a text. An answer of `false` means that it was not kept.
   *
   * @param ttlMs - After that it is of no use and may go, in whole milliseconds.
   */
  set(key: string, value: string, ttlMs: number): unknown;
  /** Drops what was set. */
  delete(key: string): unknown;
}

/** Options of the snapshots of a {@link JwksRegistry}. */
export interface SnapshotOptions {
  /** Where they are kept. Its methods may return promises. */
  readonly store: SnapshotStore;
  /**
   * What they are authenticated with, at least 32 bytes that the store does not know; text counts as UTF-8. Of several,
   * the first signs and all verify, so that a secret can be replaced.
   */
  readonly secret: SnapshotSecret;
  /** First part of every key. @defaultValue `"latchkey:jwks:"` */
  readonly keyPrefix?: string;
  /** Longest wait for the store, in milliseconds. @defaultValue `100` */
  readonly timeoutMs?: number;
}

/** One secret, or several of which the first signs. */
export type SnapshotSecret = string | Uint8Array | readonly (string | Uint8Array)[];

/** {@link SnapshotOptions} with every field set, but for the secret. */
export type SnapshotSettings = Omit<Required<SnapshotOptions>, "secret">;

/** What restoring or persisting snapshots came to, in providers. */
export interface SnapshotSummary {
  /** Restored, or persisted. */
  readonly done: number;
  /** Without a snapshot in the store, or without a key set to persist. */
  readonly missing: number;
  /** Refused: not authentic, of another registration, too old, too large, or not newer than what is in hand. */
  readonly refused: number;
  /** The store failed or did not answer in time. */
  readonly failed: number;
}

const DEFAULTS = {
  keyPrefix: "latchkey:jwks:",
  timeoutMs: 100,
} as const satisfies Partial<SnapshotOptions>;

const FIELDS: FieldsOf<SnapshotOptions> = { store: true, secret: true, keyPrefix: true, timeoutMs: true };
const METHODS = ["get", "set", "delete"] as const satisfies readonly (keyof SnapshotStore)[];

/**
 * Fills in the defaults. The secret is looked at by {@link createSnapshotCodec}.
 *
 * @param field - What the options are called in error messages, such as `options.snapshots`.
 * @throws TypeError or RangeError naming the field that is unknown or cannot be used.
 */
export function resolveSnapshotOptions(options: SnapshotOptions, field: string): SnapshotSettings {
  assertFields(field, options, FIELDS);
  const { store } = options;
  const { keyPrefix, timeoutMs } = { ...DEFAULTS, ...withoutUndefined(options) };
  for (const name of METHODS) {
    if (typeof store?.[name] !== "function") throw new TypeError(`${field}.store must have a method ${name}()`);
  }
  if (typeof keyPrefix !== "string") {
    throw new TypeError(`${field}.keyPrefix must be a string, got ${typeName(keyPrefix)}`);
  }
  assertPositive(`${field}.timeoutMs`, timeoutMs);
  return { store, keyPrefix, timeoutMs };
}
