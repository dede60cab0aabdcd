import { type AuthError, TokenSourceError } from "../errors.js";
import { attend, markUnattended } from "../lib/attendance.js";
import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";
import { createSingleFlight } from "../lib/single-flight.js";
import type { Labels, Telemetry } from "../telemetry/telemetry.js";
import type { Token, TokenRequest, TokenSource } from "../token/token.js";
import { requestFor } from "./cache-key.js";
import { type HeldToken, holdToken, REFRESH } from "./held-token.js";
import { backoffMs, toSourceFailure } from "./refresh-backoff.js";
import type { RefreshOccasion, TokenEvent } from "./token-event.js";
import type { TokenSlot } from "./token-slot.js";

/** Asks a source for tokens and puts them into slots: at most one request per slot at a time. */
export interface TokenRefresher extends Disposable {
  /**
   * Joins the request under way for a slot, or sends one. The process stays alive while it is waited for, which is not so
   * on the occasion `background`.
   *
   * @param signal - Ends the wait of this caller; the request goes on for the others.
   */
  refresh(slot: TokenSlot, request: TokenRequest, occasion: RefreshOccasion, signal?: AbortSignal): Promise<Token>;
  /** The slot of a key that a request is under way for. */
  slotUnderWay(key: string): TokenSlot | undefined;
  /** Tells whether the source is left alone after a failure. */
  isBackingOff(slot: TokenSlot): boolean;
}

/** What {@link createTokenRefresher} needs. */
export interface TokenRefresherOptions {
  readonly source: TokenSource;
  readonly timeoutMs: number;
  readonly refreshMarginMs: number;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly tell: (event: TokenEvent) => void;
}

/** Creates a {@link TokenRefresher}. Disposed, it gives up what is under way. */
export function createTokenRefresher(options: TokenRefresherOptions): TokenRefresher {
  const { source, timeoutMs, refreshMarginMs, telemetry, clock, tell } = options;
  const flights = createSingleFlight<TokenSlot, Token>();
  const underWay = new Map<string, { readonly slot: TokenSlot; readonly controller: AbortController }>();

  const ask = async (slot: TokenSlot, request: TokenRequest, signal: AbortSignal): Promise<Token> => {
    const { audience, origin, contextValues } = request;
    const rejected = slot.rejected ? slot.held?.token.value : undefined;
    const own: TokenRequest = {
      audience,
      origin,
      signal,
      ...(contextValues !== undefined && { contextValues }),
      ...(rejected !== undefined && { rejected }),
    };
    const answer = source.getToken(requestFor(source, own));
    return raceSignal(Promise.resolve(answer), signal);
  };

  const postpone = (slot: TokenSlot, error: AuthError): number => {
    slot.failures++;
    slot.lastError = error;
    const retryInMs = backoffMs(error, slot.failures, Math.random);
    slot.retryAtMs = clock.monotonicMs() + retryInMs;
    return retryInMs;
  };

  const accept = (slot: TokenSlot, held: HeldToken): void => {
    // The same value again is as rejected as before.
    slot.rejected &&= slot.held?.token.value === held.token.value;
    slot.held = held;
    if (held.endsAtMs - clock.monotonicMs() >= REFRESH.leastIntervalMs) {
      slot.failures = 0;
      slot.lastError = undefined;
      return;
    }
    // Whoever waits may use it, but after its end not every call may send a request.
    postpone(slot, new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The source gives tokens that end at once"));
  };

  const obtain = async (slot: TokenSlot, request: TokenRequest, occasion: RefreshOccasion): Promise<Token> => {
    const { audience } = slot;
    const startedMs = clock.monotonicMs();
    const controller = new AbortController();
    // Whoever joins keeps the process alive without the help of the source.
    if (occasion === "background") markUnattended(controller.signal);
    slot.refreshing = true;
    if (occasion === "rejected") slot.forcedAtMs = startedMs;
    underWay.set(slot.key, { slot, controller });
    const timer = clock.setTimer(() => controller.abort(timedOut()), timeoutMs);
    const span = telemetry.startSpan?.("latchkey.client.token_refresh", { occasion });
    const finish = (outcome: string, labels?: Labels): void => {
      timer[Symbol.dispose]();
      underWay.delete(slot.key);
      slot.refreshing = false;
      telemetry.count("latchkey.client.token_refreshes", { occasion, outcome });
      telemetry.record("latchkey.client.token_refresh_ms", clock.monotonicMs() - startedMs);
      span?.end(outcome, labels);
    };
    let held: HeldToken;
    try {
      held = holdToken(await ask(slot, request, controller.signal), clock, Math.random, refreshMarginMs);
    } catch (cause) {
      const error = toSourceFailure(cause);
      const { code } = error;
      const retryInMs = postpone(slot, error);
      finish(code);
      tell({ type: "refresh_failed", audience, occasion, code, consecutiveFailures: slot.failures, retryInMs });
      throw error;
    }
    accept(slot, held);
    const { value, expiresAtMs } = held.token;
    finish("ok", { token_length: String(value.length) });
    tell({ type: "refreshed", audience, occasion, tokenLength: value.length, expiresAtMs });
    return held.token;
  };

  return {
    refresh(slot, request, occasion, signal) {
      const token = flights.run(slot, () => obtain(slot, request, occasion), signal);
      return occasion === "background" ? token : attend(token, clock, signal);
    },
    slotUnderWay: (key) => underWay.get(key)?.slot,
    isBackingOff: (slot) => slot.failures > 0 && clock.monotonicMs() < slot.retryAtMs,
    [Symbol.dispose]() {
      const reason = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token cache was disposed");
      for (const { controller } of underWay.values()) controller.abort(reason);
    },
  };
}

function timedOut(): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token source did not answer in time");
}
