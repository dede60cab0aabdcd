import { generateKeyPairSync, sign } from "node:crypto";
import { encodePart } from "../../src/testing/raw-part.js";
import type { TrustedIssuer } from "../../src/verify/trusted-issuer.js";

/** Signs without a detour through the thread pool, for tests that need tokens by the thousand. */
export interface TokenPress {
  /** What a verifier needs to trust its tokens. */
  readonly trusted: TrustedIssuer;
  /** Signs so many tokens, all of them different. */
  press(count: number): string[];
}

/**
 * Creates a {@link TokenPress} with an Ed25519 key of its own.
 *
 * @param nowMs - When its tokens begin to be valid, for five minutes.
 */
export function createTokenPress(nowMs: number): TokenPress {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const issuer = "https://press.test";
  const audience = "https://service.test";
  const header = encodePart({ alg: "EdDSA", kid: "press", typ: "at+jwt" });
  const iat = Math.floor(nowMs / 1_000);
  let serial = 0;
  const mint = (): string => {
    const claims = { iss: issuer, aud: audience, sub: "alice", iat, exp: iat + 300, jti: `${++serial}` };
    const input = `${header}.${encodePart(claims)}`;
    return `${input}.${encodePart(sign(null, Buffer.from(input), privateKey))}`;
  };
  const key = { ...publicKey.export({ format: "jwk" }), kid: "press", alg: "EdDSA" };
  return {
    trusted: { issuer, audience, algorithms: ["EdDSA"], keys: { keys: [key] } },
    press: (count) => Array.from({ length: count }, mint),
  };
}
