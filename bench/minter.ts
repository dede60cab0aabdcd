import { generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import type { JSONWebKeySet, JWK } from "jose";
import type { JwsAlgorithm } from "latchkey/issuer";

/** Algorithms that verification is measured with. */
export const ALGORITHMS = ["ES256", "EdDSA", "RS256"] as const satisfies readonly JwsAlgorithm[];

/** One of {@link ALGORITHMS}. */
export type BenchAlgorithm = (typeof ALGORITHMS)[number];

/** What of a token shall be other than in a good one. */
export interface MintParts {
  /** Header parameters to set. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Claims to set. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** An issuer that mints without a promise: hundreds of thousands of tokens in a few seconds. */
export interface Minter {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithm: BenchAlgorithm;
  readonly jwks: JSONWebKeySet;
  /** The public key, for peers that take no JWK. */
  readonly pem: string;
  /** The public key, for peers that take nothing else. */
  readonly jwk: JWK;
  /** Signs a token, each of another subject and with another "jti"; a little over 500 characters with ES256. */
  mint(parts?: MintParts): string;
  /** Signs a payload that need not be JSON. */
  mintRaw(payload: string, header?: MintParts["header"]): string;
}

const LIFETIME_SECONDS = 3_600;

/** Creates a {@link Minter} with a key of its own. */
export function createMinter(algorithm: BenchAlgorithm): Minter {
  const issuer = "https://idp.example";
  const audience = "https://jobs.example";
  const kid = `${algorithm}-1`;
  const { publicKey, privateKey } = generateKeys(algorithm);
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: algorithm, use: "sig" } as JWK & { kty: string };
  const goodHeader = { alg: algorithm, kid, typ: "at+jwt" };
  let serial = 0;
  const seal = (header: object, payload: string): string => {
    const input = `${encode(JSON.stringify(header))}.${encode(payload)}`;
    const hash = algorithm === "EdDSA" ? null : "sha256";
    const signature = sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  };
  return {
    issuer,
    audience,
    algorithm,
    jwks: { keys: [jwk] },
    pem: publicKey.export({ format: "pem", type: "spki" }).toString(),
    jwk,
    mint({ header, claims } = {}) {
      const nowSeconds = Math.floor(Date.now() / 1_000);
      const good = {
        iss: issuer,
        sub: `user-${++serial}`,
        aud: audience,
        iat: nowSeconds,
        exp: nowSeconds + LIFETIME_SECONDS,
        jti: randomUUID(),
        client_id: "bench",
        org: "acme",
        roles: ["tester", "submitter"],
        scope: "jobs.read jobs.write",
      };
      return seal({ ...goodHeader, ...header }, JSON.stringify({ ...good, ...claims }));
    },
    mintRaw: (payload, header) => seal({ ...goodHeader, ...header }, payload),
  };
}

function generateKeys(algorithm: BenchAlgorithm): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (algorithm === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("rsa", { modulusLength: 2_048 });
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
