import { createHash, generateKeyPairSync, type JsonWebKey, type KeyObject } from "node:crypto";

/** A holder of a key that tokens are bound to. */
export interface Prover {
  /** What it signs its proofs with. */
  readonly algorithm: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** The public key as it stands in proofs. */
  readonly jwk: JsonWebKey;
  /** RFC 7638 thumbprint of the key. */
  readonly thumbprint: string;
}

const GENERATORS = {
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2_048 }),
} as const;

/** Makes a {@link Prover} with a key of its own. */
export function createProver(algorithm: keyof typeof GENERATORS): Prover {
  const { publicKey, privateKey } = GENERATORS[algorithm]();
  const jwk = publicKey.export({ format: "jwk" });
  const thumbprint = readThumbprint(jwk as Readonly<Record<string, unknown>>) ?? "";
  return { algorithm, publicKey, privateKey, jwk, thumbprint };
}

/** Gives the thumbprint of what stands where a key should; undefined for what is none. Spec: RFC 7638 section 3. */
export function readThumbprint(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const names = { EC: ["crv", "kty", "x", "y"], OKP: ["crv", "kty", "x"], RSA: ["e", "kty", "n"] };
  const found = Object.entries(names).find(([type]) => Object.hasOwn(jwk, "kty") && jwk["kty"] === type)?.[1];
  if (found?.every((name) => Object.hasOwn(jwk, name) && typeof jwk[name] === "string") !== true) return undefined;
  const text = found.map((name) => `${JSON.stringify(name)}:${JSON.stringify(jwk[name])}`).join(",");
  return createHash("sha256").update(`{${text}}`).digest("base64url");
}
