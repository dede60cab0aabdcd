import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWK, SignJWT } from "jose";
import { type Clock, systemClock } from "../lib/clock.js";
import { withoutUndefined } from "../lib/options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import { ACCESS_TOKEN_TYPE } from "../token/claim-names.js";

/** What a token shall differ in from a good one. */
export interface MintOptions {
  /** Claims to set; one with the value `undefined` is left out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Header parameters to set; one with the value `undefined` is left out. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** From now to "exp", in seconds; may be negative. @defaultValue `300` (5 minutes) */
  readonly lifetimeSeconds?: number;
}

/** Options of {@link createTestIssuer}; every field has a default. */
export interface TestIssuerOptions {
  /** The "iss" of its tokens. @defaultValue `"https://issuer.test"` */
  readonly issuer?: string;
  /** The "aud" of its tokens. @defaultValue `"https://service.test"` */
  readonly audience?: string;
  /** Algorithm of its keys. @defaultValue `"ES256"` */
  readonly algorithm?: JwsAlgorithm;
  /** Time of its tokens. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** An issuer in memory: mints good tokens and, on request, bad ones. */
export interface TestIssuer {
  /** The "iss" of its tokens. */
  readonly issuer: string;
  /** The "aud" of its tokens. */
  readonly audience: string;
  /** The "kid" that signs at present. */
  readonly kid: string;
  /** The public keys, as a JWKS endpoint would publish them. */
  jwks(): JSONWebKeySet;
  /** Signs a token of subject `alice`, organisation `acme` and role `tester`, changed as the options say. */
  mint(options?: MintOptions): Promise<string>;
  /** Signs with a fresh key from now on; the keys before stay published. */
  rotate(): Promise<void>;
  /** Takes a key out of the published set. */
  remove(kid: string): void;
}

/**
 * Creates an issuer for tests, with a key of its own, that opens no port.
 *
 * @example
 * ```ts
 * import { createTestIssuer } from "latchkey/testing";
 *
 * const issuer = await createTestIssuer();
 * const expired = await issuer.mint({ lifetimeSeconds: -60 });
 * ```
 */
export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const {
    issuer = "https://issuer.test",
    audience = "https://service.test",
    algorithm = "ES256",
    clock = systemClock,
  } = options;
  const published = new Map<string, JWK>();
  let serial = 0;
  const generate = async (): Promise<{ readonly kid: string; readonly privateKey: CryptoKey }> => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm);
    const kid = `test-key-${++serial}`;
    published.set(kid, { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" });
    return { kid, privateKey };
  };
  let signing = await generate();
  return {
    issuer,
    audience,
    get kid() {
      return signing.kid;
    },
    jwks: () => ({ keys: [...published.values()] }),
    async mint({ claims, header, lifetimeSeconds = 300 } = {}) {
      const nowSeconds = Math.floor(clock.nowMs() / 1_000);
      const payload = withoutUndefined({
        iss: issuer,
        sub: "alice",
        aud: audience,
        iat: nowSeconds,
        exp: nowSeconds + lifetimeSeconds,
        jti: crypto.randomUUID(),
        org: "acme",
        roles: ["tester"],
        ...claims,
      });
      const { kid, privateKey } = signing;
      const protectedHeader = withoutUndefined({ alg: algorithm, kid, typ: ACCESS_TOKEN_TYPE, ...header });
      return new SignJWT(payload).setProtectedHeader({ alg: algorithm, ...protectedHeader }).sign(privateKey);
    },
    async rotate() {
      signing = await generate();
    },
    remove: (kid) => void published.delete(kid),
  };
}
