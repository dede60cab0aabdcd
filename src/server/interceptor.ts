import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { TokenRejectedError } from "../errors.js";
import { abortableIterable } from "../lib/async-iterable.js";
import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";
import type { Principal } from "../token/principal.js";
import type { Admission, Admissions } from "./admission.js";
import { callerValues } from "./caller-values.js";
import { observedIterable } from "./observed-iterable.js";
import { createStreamGuard } from "./stream-guard.js";
import { hideUpstreamRefusal } from "./upstream-errors.js";

type Next = (request: UnaryRequest | StreamRequest) => Promise<UnaryResponse | StreamResponse>;

/** Collaborators of {@link createAuthInterceptor}. */
export interface AuthInterceptorOptions {
  readonly admissions: Admissions;
  /** How long after its token's expiry a stream may go on. */
  readonly toleranceMs: number;
  readonly clock: Clock;
}

/**
 * Creates the interceptor: applies what needs messages or time, and admits calls itself that no gate has looked at.
 *
 * A message that breaks the rule, and the expiry of the token, end the call whatever the handler does about it.
 */
export function createAuthInterceptor({ admissions, toleranceMs, clock }: AuthInterceptorOptions): Interceptor {
  const checkMessage = ({ rule, principal }: Admission, method: DescMethod, message: Message): void => {
    if (rule.checkMessage === undefined || principal === undefined) return;
    try {
      rule.checkMessage(principal, message);
    } catch (error) {
      throw admissions.refuse(error, method, principal);
    }
  };
  const admit = (request: UnaryRequest | StreamRequest): Admission | Promise<Admission> => {
    const { method, header, contextValues: values, signal } = request;
    const call = { method, header, values, signal };
    return admissions.find(call) ?? admissions.admit(call);
  };
  const guardStream = async (
    next: Next,
    request: StreamRequest,
    admission: Admission,
    principal: Principal,
  ): Promise<UnaryResponse | StreamResponse> => {
    const { method } = request;
    const guard = createStreamGuard({
      callSignal: request.signal,
      endsAtMs: principal.expiresAtMs + toleranceMs,
      createExpiredError: () =>
        admissions.refuse(new TokenRejectedError("ERR_TOKEN_EXPIRED", "The token expired"), method, principal),
      clock,
    });
    const checked = observedIterable(request.message, {
      onItem(item) {
        guard.assertOpen();
        try {
          checkMessage(admission, method, item);
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
  const passStream = async (next: Next, request: StreamRequest): Promise<UnaryResponse | StreamResponse> => {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: observedIterable(response.message, { onError: hideUpstreamRefusal }) };
  };
  return (next) => async (call) => {
    const found = admit(call);
    const admission = found instanceof Promise ? await found : found;
    const { principal } = admission;
    const request = { ...call, contextValues: callerValues(call.contextValues, principal) };
    if (!request.stream) checkMessage(admission, request.method, request.message);
    try {
      if (!request.stream) return await next(request);
      return await (principal === undefined
        ? passStream(next, request)
        : guardStream(next, request, admission, principal));
    } catch (error) {
      throw hideUpstreamRefusal(error);
    }
  };
}
