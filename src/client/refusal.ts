import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { readWireReason, type WireReason } from "../connect-errors.js";
import { readBearerErrors } from "./bearer-challenge.js";

/**
 * What an `unauthenticated` error means for the token that was sent:
 * - `final`: another token cannot help;
 * - `before handler`: another may, and the call was refused before anything was done;
 * - `perhaps handled`: another may, but the call may have been carried out.
 */
export type Refusal = "final" | "before handler" | "perhaps handled";

const HOPELESS: ReadonlySet<WireReason | undefined> = new Set<WireReason>([
  "CREDENTIALS_MALFORMED",
  "ACCESS_DENIED",
  "TEMPORARILY_UNAVAILABLE",
  "OVERLOADED",
]);

/**
 * Says what an error means for the token; undefined when it is not about the token.
 *
 * A Bearer challenge is what an authenticating server or proxy sends in place of running the call. Without one the error
 * may come from anywhere, the handler's own calls included.
 *
 * Spec: RFC 6750 section 3.1.
 */
export function readRefusal(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return undefined;
  if (HOPELESS.has(readWireReason(error))) return "final";
  const errors = readBearerErrors(error.metadata.get("www-authenticate") ?? "");
  if (errors.length === 0) return "perhaps handled";
  return errors.every((value) => value === undefined || value === "invalid_token") ? "before handler" : "final";
}

/** Tells whether a method says that carrying it out twice does no harm. */
export function isIdempotent(method: DescMethod): boolean {
  return (
    method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENT ||
    method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
  );
}

/** Tells whether a stream was ended, or a call refused, because its token expired; a new one may be accepted. */
export function isTokenExpired(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return false;
  return readWireReason(error) === "TOKEN_EXPIRED";
}
