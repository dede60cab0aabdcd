import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { AuthError, type AuthErrorCode } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { methodName } from "../policy/method-rules.js";
import type { Telemetry } from "../telemetry/telemetry.js";

/** What all events have in common. */
interface EventCommon {
  /** The method called, such as `pkg.Service/Method`. */
  readonly method: string;
  /** How many events of this kind were left out since the last one that was told. */
  readonly suppressed: number;
}

/** A call that was refused. Holds names and codes of the configuration, and nothing that the peer chose. */
export interface RejectedEvent extends EventCommon {
  /** A caller was refused. */
  readonly type: "rejected";
  /** Why. */
  readonly code: AuthErrorCode;
  /** Issuer of the caller's token; absent when no token was verified. */
  readonly issuer?: string;
}

/** A call answered with `internal`, because something of the server's own failed: a policy's `allow`, for example. */
export interface FailedEvent extends EventCommon {
  /** Something of this server failed while a caller was judged. */
  readonly type: "failed";
  /** What was thrown. */
  readonly error: unknown;
}

/** What a server tells {@link ServerAuthOptions.onEvent} of. */
export type ServerAuthEvent = RejectedEvent | FailedEvent;

/** Tells of a call that was not admitted. */
export type ReportRejection = (error: unknown, method: DescMethod, issuer: string | undefined) => void;

const LIMITS = { windowMs: 1_000, maxEventsPerWindow: 10 } as const;

/**
 * Creates what counts refusals and tells of them, of each code at most 10 times per second: a stranger who sends rubbish
 * must not be able to fill a log, nor to hide another kind of refusal in it. Counters know no such limit.
 */
export function createRejectionEvents(
  onEvent: ((event: ServerAuthEvent) => void) | undefined,
  telemetry: Telemetry,
  clock: Clock,
): ReportRejection {
  const windows = new Map<string, Window>();
  const tell = (kind: string, create: (suppressed: number) => ServerAuthEvent): void => {
    if (onEvent === undefined) return;
    const suppressed = enterWindow(windows, kind, clock.monotonicMs());
    if (suppressed === undefined) return;
    // The answer to the peer is decided; a listener that fails, at once or later, must not turn it into another one, and
    // must not end the process: anyone can cause a refusal.
    const told = (async () => onEvent(create(suppressed)))();
    told.catch(() => telemetry.count("latchkey.server.listener_failures"));
  };
  return (error, descMethod, issuer) => {
    const method = methodName(descMethod);
    if (error instanceof AuthError) {
      const { code } = error;
      telemetry.count("latchkey.server.rejected", { code, method });
      tell(code, (suppressed) => ({
        type: "rejected",
        code,
        method,
        suppressed,
        ...(issuer !== undefined && { issuer }),
      }));
    } else if (!(error instanceof ConnectError)) {
      telemetry.count("latchkey.server.failed", { method });
      tell("failed", (suppressed) => ({ type: "failed", error, method, suppressed }));
    }
  };
}

interface Window {
  startMs: number;
  told: number;
  suppressed: number;
}

/** Counts an event; gives how many were left out before it, or undefined when it is to be left out itself. */
function enterWindow(windows: Map<string, Window>, kind: string, nowMs: number): number | undefined {
  let window = windows.get(kind);
  if (window === undefined) {
    window = { startMs: nowMs, told: 0, suppressed: 0 };
    windows.set(kind, window);
  }
  if (nowMs - window.startMs >= LIMITS.windowMs) {
    window.startMs = nowMs;
    window.told = 0;
  }
  if (window.told >= LIMITS.maxEventsPerWindow) {
    window.suppressed++;
    return undefined;
  }
  window.told++;
  const { suppressed } = window;
  window.suppressed = 0;
  return suppressed;
}
