import { Code, type ConnectError } from "@connectrpc/connect";
import type { Outcome } from "./echo-call.js";

/** How a call has to be refused. */
export interface Refusal {
  /** The code of its error. */
  readonly code: Code;
  /** The "error" of its challenge; null: a challenge without one, absent: a challenge of any kind. */
  readonly challenge?: string | null;
}

/** RFC 6750 section 3.1: no error attribute when the request carried no credentials. */
export const NO_CREDENTIALS: Refusal = { code: Code.Unauthenticated, challenge: null };
/** Why a case fails whose call had to be refused. */
export class CallAnsweredError extends Error {
  override readonly name = "CallAnsweredError";

  constructor({ code }: Refusal) {
    super(`expected ${Code[code]}, and the call was answered`);
  }
}

/** The token is no good. */
export const BAD_TOKEN: Refusal = { code: Code.Unauthenticated, challenge: "invalid_token" };
/** The token is good and its holder may not do this. */
export const NOT_ALLOWED: Refusal = { code: Code.PermissionDenied, challenge: "insufficient_scope" };

/**
 * Throws unless a call was refused as it has to be, with an error that shows no secret.
 *
 * @param secrets - Texts of which no part of the error may contain one.
 */
export function assertRefused(outcome: Outcome, refusal: Refusal, secrets: readonly string[]): void {
  if ("subjects" in outcome) throw new CallAnsweredError(refusal);
  const { error } = outcome;
  if (error.code !== refusal.code) {
    throw new Error(`expected ${Code[refusal.code]}, got ${Code[error.code]}: ${error.rawMessage}`, { cause: error });
  }
  assertChallenge(error, refusal.challenge);
  const shown = textOf(error);
  if (secrets.some((secret) => secret !== "" && shown.includes(secret))) {
    throw new Error("the error shows a part of the token");
  }
}

function assertChallenge(error: ConnectError, expected: string | null | undefined): void {
  const challenge = error.metadata.get("www-authenticate");
  if (challenge === null) throw new Error("the error has no www-authenticate challenge");
  if (!/(^|, *)Bearer\b/i.test(challenge)) throw new Error(`the challenge is not for Bearer: ${challenge}`);
  const actual = /\berror="([^"]*)"/.exec(challenge)?.[1] ?? null;
  if (expected !== undefined && actual !== expected) {
    const wanted = expected === null ? "without an error" : `with error="${expected}"`;
    throw new Error(`expected a challenge ${wanted}, got ${challenge}`);
  }
}

/** Everything of an error that the peer has sent. */
function textOf(error: ConnectError): string {
  const details = error.details.map((detail) =>
    "value" in detail && detail.value instanceof Uint8Array
      ? Array.from(detail.value, (byte) => String.fromCharCode(byte)).join("")
      : JSON.stringify(detail),
  );
  const metadata = Array.from(error.metadata, ([name, value]) => `${name}: ${value}`);
  return [error.rawMessage, ...metadata, ...details].join("\n");
}
