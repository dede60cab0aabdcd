import { fetchJwks } from "./fetch.js";
import { readTtlMs } from "./freshness.js";
import type { HeldKeySet } from "./held-key-set.js";
import type { JwksSettings } from "./jwks-options.js";
import { parseKeySet } from "./key-set.js";

/** Sends one request and, if its answer is a usable key set, holds it. Rejects as {@link fetchJwks} and {@link parseKeySet} do. */
export type LoadKeySet = (timeoutMs: number, signal: AbortSignal) => Promise<void>;

/** Creates the one way by which key sets come in, whoever asks for them; it numbers the requests. */
export function createLoadKeySet(url: string, settings: JwksSettings, held: HeldKeySet): LoadKeySet {
  const { clock, telemetry, maxKeys } = settings;
  let requests = 0;
  return async (timeoutMs, signal) => {
    const sequence = ++requests;
    const requestedAtMs = clock.monotonicMs();
    const { body, headers } = await fetchJwks({ ...settings, url, timeoutMs }, signal);
    const keySet = await parseKeySet(body, { maxKeys, previous: held.latest()?.keySet });
    // Disposed meanwhile: whoever listens for changes is not to hear of any.
    signal.throwIfAborted();
    for (const [reason, count] of keySet.unusable) telemetry.record("latchkey.jwks.unusable_keys", count, { reason });
    held.store({ keySet, sequence, requestedAtMs, ttlMs: readTtlMs(headers, settings) });
  };
}
