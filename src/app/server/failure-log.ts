import { ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";

/**
 * Creates the interceptor that logs what callers only see as "internal error": failures of handlers that are no
 * `ConnectError`. What was meant for the caller is not logged here.
 */
export function createFailureLog(log: Logger): Interceptor {
  const report = (method: string, error: unknown, signal: AbortSignal): void => {
    // A peer that went away makes waits inside handlers fail.
    if (!(error instanceof ConnectError) && !signal.aborted) log.error({ method, err: error }, "a call failed");
  };
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return {
        ...response,
        message: reportingIterable(response.message, (error) => report(method, error, request.signal)),
      };
    } catch (error) {
      report(method, error, request.signal);
      throw error;
    }
  };
}

async function* reportingIterable<T>(source: AsyncIterable<T>, report: (error: unknown) => void): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    report(error);
    throw error;
  }
}
