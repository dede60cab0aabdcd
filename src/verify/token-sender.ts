import { TokenRejectedError } from "../errors.js";
import type { Confirmation } from "./confirmation.js";
import type { DpopVerifier } from "./dpop-verifier.js";

/** How a token arrived: what a token that is bound to its holder's key is held against. */
export interface TokenSender {
  /** The scheme of the Authorization header. */
  readonly scheme: "Bearer" | "DPoP";
  /** Gives the thumbprint of the certificate that the peer showed, as {@link certificateThumbprint} makes it. */
  readonly certificateThumbprint?: () => string | undefined;
  /** The request that a proof has to be for; required with the scheme `DPoP`. */
  readonly request?: ProvenRequest;
}

/** A request, as far as a proof of RFC 9449 speaks of it. */
export interface ProvenRequest {
  /** Value of its `DPoP` header; null when it has none. */
  readonly proof: string | null;
  /** HTTP method, such as `POST`. */
  readonly method: string;
  /** URL that was asked for. */
  readonly url: string;
}

/** What was found out about a token that its sender is held against. */
export interface BoundToken {
  /** The token. */
  readonly token: string;
  /** The keys that it is bound to; undefined when it works for whoever holds it. */
  readonly confirmation: Confirmation | undefined;
  /** Whether its issuer's tokens must be bound. */
  readonly mustBeBound: boolean;
}

/** A token that came as `Authorization: Bearer`, over a connection that proves nothing. */
export const BEARER: TokenSender = { scheme: "Bearer" };

/**
 * Checks that a token comes from the one it was issued to, as far as the token says who that is.
 *
 * Spec: RFC 8705 section 3 (certificates), RFC 9449 sections 7.1 and 7.2 (a bound token is no bearer token).
 *
 * @param dpop - Checks proofs; undefined: tokens that need one are refused.
 * @returns A promise while a proof is being checked, which rejects as below; undefined when all is said.
 * @throws TokenRejectedError `ERR_TOKEN_BOUND`, or `ERR_PROOF_MISSING`, `ERR_PROOF_INVALID`, `ERR_PROOF_NONCE`,
 * `ERR_PROOF_REPLAYED`; KeysUnavailableError when replays cannot be ruled out at present.
 */
export function checkSender(
  { token, confirmation, mustBeBound }: BoundToken,
  sender: TokenSender,
  dpop: DpopVerifier | undefined,
  signal: AbortSignal | undefined,
): Promise<void> | undefined {
  const { scheme, request } = sender;
  if (confirmation === undefined) {
    // RFC 9449 section 7.1: a proof beside a token that demands none proves nothing about the token.
    if (mustBeBound || scheme === "DPoP") throw bound("The token is bound to no key");
    return undefined;
  }
  const { keyThumbprint, certificateThumbprint } = confirmation;
  if (certificateThumbprint !== undefined && sender.certificateThumbprint?.() !== certificateThumbprint) {
    throw bound("The token is bound to another certificate than the connection's");
  }
  if (keyThumbprint === undefined) {
    if (scheme === "DPoP") throw bound("The token is bound to a certificate and no other key");
    return undefined;
  }
  if (scheme !== "DPoP" || dpop === undefined || request === undefined) {
    throw bound("The token is bound to a key and came without a proof of it");
  }
  return dpop.check({ ...request, token, thumbprint: keyThumbprint }, signal);
}

function bound(message: string): TokenRejectedError {
  return new TokenRejectedError("ERR_TOKEN_BOUND", message);
}
