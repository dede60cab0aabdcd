import { JwtVerifier } from "aws-jwt-verify";
import { createVerifier as createFastJwt } from "fast-jwt";
import { importJWK, jwtVerify } from "jose";
import type { Minter } from "./minter.ts";

/** What another library does with a token; it throws, or rejects, where the token is bad. */
export type Verify = (token: string) => unknown;

/** Libraries that users would take otherwise, each told to check what latchkey checks: "iss", "aud", "typ", times. */
export interface Peers {
  /** Gives a promise. */
  readonly jose: (token: string) => Promise<unknown>;
  readonly fastJwt: Verify;
  /** With as many tokens in its cache as latchkey has by default; its own default is a tenth of that. */
  readonly fastJwtCached: Verify;
  readonly awsJwtVerify: Verify;
}

const TOKEN_TYPE = "at+jwt";
const TOLERANCE_SECONDS = 5;
const CACHED_TOKENS = 10_000;

/** Sets the peers up for the tokens of an issuer, its public key in hand. */
export async function createPeers({ issuer, audience, algorithm, jwk, jwks, pem }: Minter): Promise<Peers> {
  const key = await importJWK(jwk, algorithm);
  const joseOptions = {
    issuer,
    audience,
    typ: TOKEN_TYPE,
    algorithms: [algorithm],
    clockTolerance: TOLERANCE_SECONDS,
    requiredClaims: ["exp"],
  };
  const fastJwtOptions = {
    key: pem,
    algorithms: [algorithm],
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: TOKEN_TYPE,
    clockTolerance: TOLERANCE_SECONDS * 1_000,
    requiredClaims: ["exp"],
  };
  const aws = JwtVerifier.create({
    issuer,
    audience,
    graceSeconds: TOLERANCE_SECONDS,
    customJwtCheck({ header }) {
      if (header["typ"] !== TOKEN_TYPE) throw new Error("another type of token");
    },
  });
  aws.cacheJwks(JSON.parse(JSON.stringify(jwks)));
  return {
    jose: (token) => jwtVerify(token, key, joseOptions),
    fastJwt: createFastJwt(fastJwtOptions),
    fastJwtCached: createFastJwt({ ...fastJwtOptions, cache: CACHED_TOKENS }),
    awsJwtVerify: (token) => aws.verifySync(token),
  };
}
