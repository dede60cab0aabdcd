import { type CompactJWSHeaderParameters, CompactSign, type JWTPayload } from "jose";

/**
 * Signs claims as a compact JWT.
 *
 * Without jose's own class for JWTs, which brings a library of claim checks into every bundle: the claims are complete and
 * checked when they come here.
 *
 * Spec: RFC 7515 section 7.1, RFC 7519 section 7.1.
 */
export function signCompactJwt(
  privateKey: CryptoKey,
  header: CompactJWSHeaderParameters,
  claims: JWTPayload,
): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  return new CompactSign(payload).setProtectedHeader(header).sign(privateKey);
}
