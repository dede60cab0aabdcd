/**
 * The signature algorithms that latchkey signs and verifies with: asymmetric ones only. A shared secret would let every
 * verifier issue tokens, and "none" lets everyone.
 *
 * Spec: RFC 7518 section 3.1, RFC 8037 section 3.1.
 */
export const JWS_ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "EdDSA",
] as const;

/** Name of a signature algorithm as the "alg" header parameter has it. */
export type JwsAlgorithm = (typeof JWS_ALGORITHMS)[number];

const KNOWN: ReadonlySet<unknown> = new Set(JWS_ALGORITHMS);

/** Tells whether a value is the name of a supported algorithm; case matters. */
export function isJwsAlgorithm(value: unknown): value is JwsAlgorithm {
  return KNOWN.has(value);
}

/**
 * The algorithms that a key can serve, from its type and curve and, when it states one, its "alg" (RFC 7517 section
 * 4.4). Empty for a key that fits none, symmetric keys among them.
 */
export function algorithmsForKey(jwk: { kty?: unknown; crv?: unknown; alg?: unknown }): readonly JwsAlgorithm[] {
  const fitting = algorithmsForType(jwk.kty, jwk.crv);
  return jwk.alg === undefined ? fitting : fitting.filter((algorithm) => algorithm === jwk.alg);
}

function algorithmsForType(kty: unknown, crv: unknown): readonly JwsAlgorithm[] {
  switch (kty) {
    case "RSA":
      return ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    case "OKP":
      return crv === "Ed25519" ? ["EdDSA"] : [];
    case "EC":
      if (crv === "P-256") return ["ES256"];
      if (crv === "P-384") return ["ES384"];
      return crv === "P-521" ? ["ES512"] : [];
    default:
      return [];
  }
}
