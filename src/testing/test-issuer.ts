import type { JSONWebKeySet, JWK } from "jose";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertFields, assertNonEmptyStrings, type FieldsOf, withoutUndefined } from "../lib/options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import { ACCESS_TOKEN_TYPE } from "../token/claim-names.js";
import { encodePart, type RawPart, toBytes } from "./raw-part.js";
import { createTestKey, type TestKey } from "./test-key.js";

/** What a token shall differ in from a good one. */
export interface MintOptions {
  /** Claims to set; one with the value `undefined` is left out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Header parameters to set; one with the value `undefined` is left out. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** From now to "exp", in seconds; may be negative. @defaultValue `300` (5 minutes) */
  readonly lifetimeSeconds?: number;
  /** Which of the issuer's algorithms signs. @defaultValue the first */
  readonly algorithm?: JwsAlgorithm;
}

/** What a token is put together from; what is left out is as in a good token. */
export interface ForgeOptions {
  /** The header as a whole. */
  readonly header?: RawPart;
  /** The payload as a whole. */
  readonly payload?: RawPart;
  /** The signature: bytes, or made of what is to be signed. @defaultValue the good one of header and payload as they are */
  readonly signature?: Uint8Array | ((input: Uint8Array<ArrayBuffer>) => Uint8Array | Promise<Uint8Array>);
}

/** Options of {@link createTestIssuer}; every field has a default. */
export interface TestIssuerOptions {
  /** The "iss" of its tokens. @defaultValue `"https://issuer.test"` */
  readonly issuer?: string;
  /** The "aud" of its tokens. @defaultValue `"https://service.test"` */
  readonly audience?: string;
  /** Algorithm of its keys, or several: it has a key for each then, and signs with the first. @defaultValue `"ES256"` */
  readonly algorithm?: JwsAlgorithm | readonly JwsAlgorithm[];
  /** Time of its tokens. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** An issuer as `createServerAuth` and `createVerifier` take it. */
export interface TrustedTestIssuer {
  /** The "iss" of its tokens. */
  readonly issuer: string;
  /** The "aud" of its tokens. */
  readonly audience: string;
  /** The algorithms of its keys. */
  readonly algorithms: readonly JwsAlgorithm[];
  /** Its public keys at the time of asking; only of an issuer in memory. */
  readonly keys?: JSONWebKeySet;
  /** Where its public keys are; only of an issuer that is served. */
  readonly jwksUri?: string;
}

/** An issuer in memory: mints good tokens and, on request, bad ones. */
export interface TestIssuer {
  /** The "iss" of its tokens. */
  readonly issuer: string;
  /** The "aud" of its tokens. */
  readonly audience: string;
  /** The algorithms of its keys; it signs with the first unless told otherwise. */
  readonly algorithms: readonly JwsAlgorithm[];
  /** The "kid" that signs at present. */
  readonly kid: string;
  /** The public keys, as a JWKS endpoint would publish them. */
  jwks(): JSONWebKeySet;
  /** Gives what a server needs to trust this issuer: an entry of its `issuers`. */
  trusted(): TrustedTestIssuer;
  /** Signs a token of subject `alice`, organisation `acme` and role `tester`, changed as the options say. */
  mint(options?: MintOptions): Promise<string>;
  /**
   * Puts a token together from raw parts, for what no honest issuer would sign. No part is checked, and nothing is added
   * to one that is given.
   */
  forge(options: ForgeOptions): Promise<string>;
  /** Signs with a fresh key for each algorithm from now on; the keys before stay published. */
  rotate(): Promise<void>;
  /** Takes a key out of the published set. */
  remove(kid: string): void;
}

const DEFAULTS = { lifetimeSeconds: 5 * 60 } as const satisfies MintOptions;

const FIELDS: FieldsOf<TestIssuerOptions> = { issuer: true, audience: true, algorithm: true, clock: true };
const MINT_FIELDS: FieldsOf<MintOptions> = { claims: true, header: true, lifetimeSeconds: true, algorithm: true };
const FORGE_FIELDS: FieldsOf<ForgeOptions> = { header: true, payload: true, signature: true };

/**
 * Creates an issuer for tests, with keys of its own, that opens no port.
 *
 * @example
 * ```ts
 * import { createServerAuth } from "latchkey/server";
 * import { createTestIssuer } from "latchkey/testing";
 *
 * const issuer = await createTestIssuer({ algorithm: ["ES256", "RS256"] });
 * const auth = createServerAuth({ issuers: [issuer.trusted()] });
 * const expired = await issuer.mint({ lifetimeSeconds: -60 });
 * const unsigned = await issuer.forge({ header: { alg: "none" }, signature: new Uint8Array() });
 * ```
 *
 * @param options - Name, audience, algorithms and clock; every field has a default.
 * @throws TypeError when `algorithm` is an empty list, or a field is not an option. Rejects with it, as with everything
 * else; so do `mint` and `forge`.
 */
export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  assertFields("options", options, FIELDS);
  const {
    issuer = "https://issuer.test",
    audience = "https://service.test",
    algorithm = "ES256",
    clock = systemClock,
  } = options;
  const algorithms = typeof algorithm === "string" ? [algorithm] : [...algorithm];
  assertNonEmptyStrings("algorithm", algorithms);
  const published = new Map<string, JWK>();
  let serial = 0;
  const generate = async (): Promise<readonly TestKey[]> => {
    const made = await Promise.all(algorithms.map((name) => createTestKey(name, `test-key-${++serial}`)));
    for (const { kid, publicJwk } of made) published.set(kid, publicJwk);
    return made;
  };
  let signing = await generate();
  const keyFor = (wanted: JwsAlgorithm | undefined): TestKey => {
    const key = wanted === undefined ? signing[0] : signing.find(({ algorithm: own }) => own === wanted);
    if (key === undefined) throw new TypeError(`algorithm must be one of ${algorithms.join(", ")}`);
    return key;
  };
  const goodHeader = ({ algorithm: alg, kid }: TestKey): Record<string, unknown> => ({
    alg,
    kid,
    typ: ACCESS_TOKEN_TYPE,
  });
  const goodClaims = (lifetimeSeconds: number): Record<string, unknown> => {
    const nowSeconds = Math.floor(clock.nowMs() / 1_000);
    return {
      iss: issuer,
      sub: "alice",
      aud: audience,
      iat: nowSeconds,
      exp: nowSeconds + lifetimeSeconds,
      jti: crypto.randomUUID(),
      org: "acme",
      roles: ["tester"],
    };
  };
  const assemble = async (key: TestKey, { header, payload, signature = key.sign }: ForgeOptions): Promise<string> => {
    const input = `${encodePart(header ?? goodHeader(key))}.${encodePart(payload ?? goodClaims(DEFAULTS.lifetimeSeconds))}`;
    const bytes = typeof signature === "function" ? await signature(toBytes(input)) : signature;
    return `${input}.${encodePart(bytes)}`;
  };
  return {
    issuer,
    audience,
    algorithms,
    get kid() {
      return keyFor(undefined).kid;
    },
    jwks: () => ({ keys: [...published.values()] }),
    trusted: () => ({ issuer, audience, algorithms, keys: { keys: [...published.values()] } }),
    async mint(mintOptions = {}) {
      assertFields("options", mintOptions, MINT_FIELDS);
      const { claims, header, lifetimeSeconds = DEFAULTS.lifetimeSeconds, algorithm: wanted } = mintOptions;
      const key = keyFor(wanted);
      return assemble(key, {
        header: withoutUndefined({ ...goodHeader(key), ...header }),
        payload: withoutUndefined({ ...goodClaims(lifetimeSeconds), ...claims }),
      });
    },
    async forge(parts) {
      assertFields("options", parts, FORGE_FIELDS);
      return assemble(keyFor(undefined), parts);
    },
    async rotate() {
      signing = await generate();
    },
    remove: (kid) => void published.delete(kid),
  };
}
