import { KeysUnavailableError } from "../errors.js";
import { notify } from "../lib/notify.js";
import { fetchJwks, type JwksResponse } from "./fetch.js";
import { readFreshnessHeaders, readTtlMs } from "./freshness.js";
import type { HeldKeySet, LoadedKeySet } from "./held-key-set.js";
import type { JwksSettings } from "./jwks-options.js";
import { type KeySet, parseKeySet } from "./key-set.js";
import type { JwksMeasurements } from "./measurements.js";
import type { UrlRules } from "./url.js";
import { readValidators } from "./validators.js";

/** Waits for leave to send one request, which ends when what it gives is disposed. */
export type AcquireSlot = (signal: AbortSignal) => Promise<Disposable>;

/** Where a key set is fetched. */
export interface KeySetLocation {
  /** Checked URL. */
  readonly href: string;
  /** What it was checked against, and redirects will be. */
  readonly rules: UrlRules;
  /** Bounds the requests under way of all who share it. */
  readonly acquireSlot: AcquireSlot;
}

/**
 * Sends one request and, if its answer is a usable key set or confirms the one in hand, holds that.
 *
 * Rejects as {@link fetchJwks} and {@link parseKeySet} do, and with `ERR_KEYS_UNAVAILABLE` for a confirmation of another
 * set than the one in hand, which the next request asks for as a whole.
 *
 * @returns Whether keys came, went or changed.
 */
export type LoadKeySet = (signal: AbortSignal) => Promise<boolean>;

/** Creates the one way by which answers come in, whoever asks for them; it numbers the requests. */
export function createLoadKeySet(
  { href: url, rules, acquireSlot }: KeySetLocation,
  settings: JwksSettings,
  held: HeldKeySet,
  measurements: JwksMeasurements,
): LoadKeySet {
  const { clock, attemptTimeoutMs: timeoutMs, maxKeys, onEvent } = settings;
  let requests = 0;
  let distrusted: LoadedKeySet | undefined;

  const readKeySet = async (
    response: JwksResponse,
    asked: LoadedKeySet | undefined,
    signal: AbortSignal,
  ): Promise<KeySet> => {
    if (!response.notModified) {
      const previous = held.latest()?.keySet;
      const keySet = await parseKeySet(response.body, {
        maxKeys,
        previous,
        onAlarm(reason) {
          if (!signal.aborted) notify(onEvent, { type: "alarm", reason });
        },
      });
      for (const [reason, count] of keySet.unusable) measurements.unusableKeys(reason, count);
      return keySet;
    }
    if (asked !== undefined) {
      if (isOf(asked, response.headers)) return asked.keySet;
      distrusted = asked;
      throw new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "Another key set than the one in hand is confirmed");
    }
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The key set is said to be unchanged, but none is held");
  };

  return async (signal) => {
    const slot = await acquireSlot(signal);
    try {
      const sequence = ++requests;
      const requestedAtMs = clock.monotonicMs();
      // What a 304 confirms is what was in hand when the request left, whatever has come since.
      const asked = held.latest();
      const conditions = asked === distrusted ? undefined : asked?.validators;
      const response = await fetchJwks({ ...settings, url, rules, timeoutMs, validators: conditions }, signal);
      const keySet = await readKeySet(response, asked, signal);
      // Disposed meanwhile: whoever listens for changes is not to hear of any.
      signal.throwIfAborted();
      const { headers, notModified } = response;
      const freshness = readFreshnessHeaders(headers, notModified ? asked?.freshness : undefined);
      // Those of the body in hand, whatever a confirmation says: a wrong one would have it confirmed for good.
      const validators = notModified ? asked?.validators : readValidators(headers);
      const ttlMs = readTtlMs(freshness, settings, clock.nowMs());
      return held.store({ keySet, sequence, requestedAtMs, ttlMs, validators, freshness });
    } finally {
      slot[Symbol.dispose]();
    }
  };
}

/**
 * Tells whether a confirmation is one of the set that was asked for. From that of another "ETag" nothing follows.
 *
 * Spec: RFC 9111 section 4.3.4, with the weak comparison of RFC 9110 section 8.8.3.2: compression weakens an "ETag".
 */
function isOf({ validators: asked }: LoadedKeySet, headers: Headers): boolean {
  const etag = readValidators(headers)?.etag;
  return etag === undefined || asked?.etag === undefined || opaqueTag(etag) === opaqueTag(asked.etag);
}

function opaqueTag(etag: string): string {
  return etag.replace(/^W\//, "");
}
