import type { Message } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { TokenRejectedError } from "../errors.js";
import { abortableIterable } from "../lib/async-iterable.js";
import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";
import type { Principal } from "../token/principal.js";
import type { Admission, Admissions, Call } from "./admission.js";
import { callerValues } from "./caller-values.js";
import { observedIterable } from "./observed-iterable.js";
import { createStreamGuard, type StreamGuard } from "./stream-guard.js";
import type { StreamSettings } from "./stream-options.js";
import { hideUpstreamRefusal } from "./upstream-errors.js";

type AnyRequest = UnaryRequest | StreamRequest;
type Next = (request: AnyRequest) => Promise<UnaryResponse | StreamResponse>;

/** Collaborators of {@link createAuthInterceptor}. */
export interface AuthInterceptorOptions {
  readonly admissions: Admissions;
  /** How long after its token's expiry a stream may go on. */
  readonly toleranceMs: number;
  readonly streams: StreamSettings;
  readonly clock: Clock;
}

/**
 * Creates the interceptor: applies what needs messages or time, and admits calls itself that no gate has looked at.
 *
 * A message that breaks the rule, and the expiry of the token, end the call whatever the handler does about it.
 */
export function createAuthInterceptor(options: AuthInterceptorOptions): Interceptor {
  const { admissions, toleranceMs, streams, clock } = options;
  const checkMessage = (call: Call, { rule }: Admission, principal: Principal | undefined, message: Message): void => {
    if (rule.checkMessage === undefined || principal === undefined) return;
    try {
      rule.checkMessage(principal, message);
    } catch (error) {
      throw admissions.refuse(error, call, principal);
    }
  };
  const openGuard = (
    request: StreamRequest,
    caller: Principal,
    recheck: (signal: AbortSignal) => Promise<void>,
  ): StreamGuard => {
    const { method, contextValues } = request;
    const { recheckMs, expiryJitterMs, expiringLeadMs, onExpiring } = streams;
    const latestMs = caller.expiresAtMs + toleranceMs;
    // A jitter longer than what is left would end the stream as it begins: half of the rest is its own.
    const jitterMs = Math.min(expiryJitterMs, Math.max(0, latestMs - clock.nowMs()) / 2);
    const endsAtMs = latestMs - Math.random() * jitterMs;
    const tell = async (): Promise<void> => onExpiring?.({ method, principal: caller, contextValues, endsAtMs });
    return createStreamGuard({
      callSignal: request.signal,
      endsAtMs,
      createExpiredError: () =>
        admissions.refuse(new TokenRejectedError("ERR_TOKEN_EXPIRED", "The token expired"), request, caller),
      // Dropped: who wants to hear of the end must not be able to hasten it.
      warning: onExpiring && { atMs: endsAtMs - expiringLeadMs, tell: () => void tell().catch(() => {}) },
      // Shortened only: what is promised is how long a stream goes on at most.
      recheck: { nextMs: () => recheckMs * (1 - 0.1 * Math.random()), run: recheck },
      clock,
    });
  };
  const guardStream = async (
    next: Next,
    request: StreamRequest,
    call: Call,
    admission: Admission,
    caller: Principal,
  ): ReturnType<Next> => {
    let principal: Principal | undefined = caller;
    const guard = openGuard(request, caller, async (signal) => {
      principal = await admissions.readmit({ ...call, signal }, admission);
    });
    const checked = observedIterable(request.message, {
      onItem(item) {
        guard.assertOpen();
        try {
          checkMessage(call, admission, principal, item);
        } catch (error) {
          // A handler may catch what its request iterable throws, and answer as if nothing had happened.
          guard.end(error);
          throw error;
        }
      },
    });
    // Or else a handler that waits for messages would do so for as long as the caller keeps the stream open.
    const message = abortableIterable(checked, guard.ended);
    const response = await raceSignal(next({ ...request, signal: guard.signal, message }), guard.ended);
    if (!response.stream) return response;
    const answers = observedIterable(response.message, { onItem: guard.assertOpen, onError: hideUpstreamRefusal });
    return { ...response, message: abortableIterable(answers, guard.ended) };
  };
  const passStream = async (next: Next, request: StreamRequest): ReturnType<Next> => {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: observedIterable(response.message, { onError: hideUpstreamRefusal }) };
  };
  const passOn = (next: Next, request: AnyRequest, call: Call, admission: Admission): ReturnType<Next> => {
    if (!request.stream) return next(request);
    const { principal } = admission;
    return principal === undefined ? passStream(next, request) : guardStream(next, request, call, admission, principal);
  };
  return (next) => async (incoming) => {
    const { method, header, contextValues: values, signal, requestMethod, url } = incoming;
    const call: Call = { method, header, values, signal, requestMethod, url };
    const found = admissions.find(call);
    const admission = found ?? (await admissions.admit(call));
    const { principal } = admission;
    const request = { ...incoming, contextValues: callerValues(values, principal) };
    if (!request.stream) checkMessage(call, admission, principal, request.message);
    try {
      const response = await passOn(next, request, call, admission);
      // A gate has done so already.
      if (found === undefined) admissions.offerNonce(header, response.header);
      return response;
    } catch (error) {
      throw hideUpstreamRefusal(error);
    }
  };
}
