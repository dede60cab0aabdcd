import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type CredentialCode, CredentialError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { notify } from "../lib/notify.js";
import {
  assertFields,
  assertFunction,
  assertPositive,
  type FieldsOf,
  typeName,
  withoutUndefined,
} from "../lib/options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import { assertKeyPath, loadSigningKey } from "./node-signing-key.js";
import type { SigningKey } from "./signing-key.js";

/** Options of {@link watchSigningKey}. */
export interface WatchSigningKeyOptions {
  /** The file, as of {@link loadSigningKey}; a relative name is taken from the working directory of now. */
  readonly path: string;
  /** Opens the key when it is encrypted, and those that follow it. Held in memory until disposal. */
  readonly passphrase?: string;
  /** What the keys shall sign with. @defaultValue what each key says, as of {@link loadSigningKey} */
  readonly algorithm?: JwsAlgorithm;
  /**
   * Name of the key, and of those that follow it. Verifiers tell keys apart by it, so leave it out unless they fetch by
   * other means. @defaultValue what each key says, or else its thumbprint
   */
  readonly kid?: string;
  /** Pause between two looks at the file, in milliseconds, at least 100. @defaultValue `5_000` (5 seconds) */
  readonly pollMs?: number;
  /** Is told what became of a changed file. What it throws is dropped. */
  readonly onEvent?: (event: SigningKeyEvent) => void;
  /** When to look. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** What became of a changed key file. */
export type SigningKeyEvent =
  /** The file was read; `changed` tells whether another key is in use now, or the file is good again after a failure. */
  | { readonly type: "reloaded"; readonly kid: string; readonly changed: boolean }
  /** The file cannot be used, and the key before stays. Told once for each state of the file. */
  | { readonly type: "reload_failed"; readonly code: CredentialCode };

/** A signing key that follows its file. */
export interface WatchedSigningKey extends Disposable {
  /** Gives the key in use: that of the file when it was last good. The same object until the key changes. */
  current(): SigningKey;
  /**
   * Reads the file now, even when it seems unchanged. Calls that wait for their turn share one reading.
   *
   * Rejects as {@link loadSigningKey} does, and the key in use stays; after disposal with {@link CredentialError}
   * `ERR_CREDENTIAL_STORE`.
   */
  reload(): Promise<void>;
}

const DEFAULTS = { pollMs: 5_000 } as const satisfies Partial<WatchSigningKeyOptions>;

const LEAST_POLL_MS = 100;

const FIELDS: FieldsOf<WatchSigningKeyOptions> = {
  path: true,
  passphrase: true,
  algorithm: true,
  kid: true,
  pollMs: true,
  onEvent: true,
  clock: true,
};

/**
 * Loads a private key from a file and follows the file: for keys that are rotated while the process runs.
 *
 * The file may be replaced by renaming another onto it, by changing a link on the way to it, as Kubernetes does, or by
 * writing into it. Every `pollMs` its state is compared; after a change it is read by the rules of
 * {@link loadSigningKey}. As long as what is there cannot be used (half of it is written, it is gone, others can read
 * it), the key before stays in use and `onEvent` is told why. An outage of the file never becomes one of the tokens.
 *
 * Holds one timer, which keeps no process alive; `Symbol.dispose` ends it. After that `current()` goes on giving the
 * last key, and nothing is told any more.
 *
 * Rejects as {@link loadSigningKey} does when there is no good key at first, with a TypeError when a field is of another
 * type or not an option, and with a RangeError when `pollMs` is below 100.
 *
 * @example
 * ```ts
 * import { bearerAuth, signedJwt } from "latchkey/client";
 * import { watchSigningKey } from "latchkey/node";
 *
 * const watched = await watchSigningKey({
 *   path: "/var/run/secrets/jobs/key.pem",
 *   onEvent: (event) => console.warn("signing key", event),
 * });
 * const auth = bearerAuth(signedJwt({ key: () => watched.current(), issuer: "jobs-cli", subject: "jobs-cli" }));
 * ```
 *
 * @param options - The file; every other field has a default.
 */
export async function watchSigningKey(options: WatchSigningKeyOptions): Promise<WatchedSigningKey> {
  assertFields("options", options, FIELDS);
  const { algorithm, kid, onEvent, clock = systemClock } = options;
  const { pollMs } = { ...DEFAULTS, ...withoutUndefined(options) };
  assertKeyPath(options.path);
  assertPositive("pollMs", pollMs);
  if (pollMs < LEAST_POLL_MS) throw new RangeError(`pollMs must be at least ${LEAST_POLL_MS}, got ${pollMs}`);
  if (onEvent !== undefined) assertFunction("onEvent", onEvent);
  if (typeof clock !== "object" || clock === null) throw new TypeError(`clock must be a clock, got ${typeName(clock)}`);
  const path = resolve(options.path);

  let passphrase = options.passphrase;
  const load = (): Promise<SigningKey> => loadSigningKey({ path, ...withoutUndefined({ passphrase, algorithm, kid }) });

  let key = await load();
  let failure: string | undefined;
  // State of the file before it was last read by a look, and one that needs no further look.
  let seen: string | undefined;
  let settled: string | undefined;
  let timer: Disposable | undefined;
  let disposed = false;
  let last: Promise<unknown> = Promise.resolve();
  let waiting: Promise<void> | undefined;

  const tell = (event: SigningKeyEvent): void => {
    if (onEvent !== undefined) notify(onEvent, event);
  };

  /** Takes over what is in the file, whose state was `stamp` before. */
  async function refresh(stamp: string | undefined): Promise<void> {
    try {
      const loaded = await load();
      if (disposed) return;
      const changed = !isSameKey(loaded, key);
      if (changed) key = loaded;
      if (changed || failure !== undefined) tell({ type: "reloaded", kid: key.kid, changed });
      failure = undefined;
    } catch (error) {
      const code = error instanceof CredentialError ? error.code : "ERR_KEY_INVALID";
      const state = `${code} ${stamp}`;
      if (!disposed && state !== failure) tell({ type: "reload_failed", code });
      failure = state;
      throw error;
    }
  }

  async function look(): Promise<void> {
    const stamp = await readStamp(path);
    if (disposed || (stamp !== undefined && stamp === settled)) return;
    // The times of a file move in steps: a write right after a read can leave them as they were. So each state is read
    // at two looks before it counts as known.
    settled = stamp === seen ? stamp : undefined;
    seen = stamp;
    await refresh(stamp);
  }

  /** One reader at a time: an older state that is read slowly must not replace a newer one. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  function arm(): void {
    if (disposed) return;
    timer = clock.setTimer(() => {
      inTurn(look)
        .catch(() => {})
        .finally(arm);
    }, pollMs);
  }

  arm();
  return {
    current: () => key,
    async reload() {
      waiting ??= inTurn(async () => {
        waiting = undefined;
        if (!disposed) await refresh(await readStamp(path));
      });
      await waiting;
      if (disposed) throw new CredentialError("ERR_CREDENTIAL_STORE", "The signing key is not watched any more");
    },
    [Symbol.dispose]() {
      disposed = true;
      passphrase = undefined;
      timer?.[Symbol.dispose]();
    },
  };
}

/** Gives what changes when a file is replaced or written to; undefined when that cannot be told. */
async function readStamp(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return undefined;
  }
}

function isSameKey(some: SigningKey, other: SigningKey): boolean {
  return JSON.stringify(some.publicJwk) === JSON.stringify(other.publicJwk);
}
