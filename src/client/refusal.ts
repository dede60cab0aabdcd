import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { readWireReason, type WireReason } from "../connect-errors.js";
import { readChallengeErrors } from "./auth-challenges.js";

/**
 * What an `unauthenticated` error means for the token that was sent:
 * - `final`: another token of the same source cannot help. So it is with proofs that are not accepted, and with a user who
 *   has to sign in again;
 * - `before handler`: another may, and the call was refused before anything was done;
 * - `perhaps handled`: another may, but the call may have been carried out.
 */
export type Refusal = "final" | "before handler" | "perhaps handled";

/** Reasons that are about the token and nothing else; undefined: none of ours is stated. */
const ABOUT_TOKEN: ReadonlySet<WireReason | undefined> = new Set<WireReason | undefined>([
  undefined,
  "CREDENTIALS_MISSING",
  "TOKEN_EXPIRED",
  "TOKEN_REJECTED",
]);

/**
 * Says what an error means for the token; undefined when it is not about the token.
 *
 * A Bearer or DPoP challenge is what an authenticating server or proxy sends in place of running the call. Without one
 * the error may come from anywhere, the handler's own calls included.
 *
 * Spec: RFC 6750 section 3.1, RFC 9449 section 7.1, RFC 9470 section 3.
 */
export function readRefusal(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return undefined;
  if (!ABOUT_TOKEN.has(readWireReason(error))) return "final";
  const errors = readChallengeErrors(error);
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
