import { createPublicKey } from "node:crypto";
import { JwtVerifier } from "aws-jwt-verify";
import { createVerifier as createFastJwt } from "fast-jwt";
import { createLocalJWKSet, jwtVerify } from "jose";
import type { TestIssuer } from "latchkey/testing";
import { createVerifier, TokenRejectedError } from "latchkey/verify";

/** Libraries that latchkey is held against. */
export const PEERS = ["jose", "aws-jwt-verify", "fast-jwt"] as const;

/** One of {@link PEERS}. */
export type Peer = (typeof PEERS)[number];

/** What all make of a token: its claims as JSON when it was accepted. */
export interface Verdicts {
  /** The code of the refusal, or undefined. */
  readonly code: string | undefined;
  readonly claims: Readonly<Record<"latchkey" | Peer, string | undefined>>;
}

const TOKEN_TYPE = "at+jwt";
const TOLERANCE_SECONDS = 5;
const REQUIRED = ["exp", "sub"];

/** Sets all up to trust one issuer, told as nearly as they can be to check the same. */
export function createPanel(trusted: TestIssuer): (token: string) => Promise<Verdicts> {
  const { issuer, audience } = trusted;
  const jwks = trusted.jwks();
  const algorithms = [...trusted.algorithms];
  const latchkey = createVerifier({
    issuers: [
      {
        ...{ issuer, audience, algorithms },
        jwksUri: `${issuer}/jwks.json`,
        jwksOptions: { fetch: async () => Response.json(jwks) },
      },
    ],
    clockToleranceSeconds: TOLERANCE_SECONDS,
  });
  const keySet = createLocalJWKSet(jwks);
  const aws = JwtVerifier.create({
    issuer,
    audience,
    graceSeconds: TOLERANCE_SECONDS,
    customJwtCheck({ header, payload }) {
      const typ = String(header["typ"]).toLowerCase();
      if (typ !== TOKEN_TYPE && typ !== `application/${TOKEN_TYPE}`) throw new Error("another type of token");
      if (REQUIRED.some((name) => !Object.hasOwn(payload, name))) throw new Error("a claim is missing");
    },
  });
  aws.cacheJwks(JSON.parse(JSON.stringify(jwks)));
  const pems = new Map(
    jwks.keys.map((jwk) => [
      jwk.kid,
      createPublicKey({ key: { ...jwk }, format: "jwk" })
        .export({ format: "pem", type: "spki" })
        .toString(),
    ]),
  );
  const fastJwt = createFastJwt({
    key: async ({ header }: { header: { kid?: string } }) =>
      pems.get(header.kid) ?? Promise.reject(new Error("no key")),
    algorithms: algorithms as ("ES256" | "EdDSA" | "RS256")[],
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: TOKEN_TYPE,
    clockTolerance: TOLERANCE_SECONDS * 1_000,
    requiredClaims: [...REQUIRED, "iss", "aud"],
  });
  const peers: Readonly<Record<Peer, (token: string) => Promise<unknown>>> = {
    jose: async (token) => {
      const options = { issuer, audience, algorithms, typ: TOKEN_TYPE, requiredClaims: REQUIRED };
      return (await jwtVerify(token, keySet, { ...options, clockTolerance: TOLERANCE_SECONDS })).payload;
    },
    "aws-jwt-verify": async (token) => aws.verifySync(token),
    "fast-jwt": (token) => fastJwt(token),
  };
  return async (token) => {
    let code: string | undefined;
    const own = await latchkey.verify(token).catch((error: unknown) => {
      // Nothing else has to be explained, for nothing else may happen.
      if (!(error instanceof TokenRejectedError)) throw error;
      code = error.code;
      return undefined;
    });
    const ask = async (peer: Peer): Promise<string | undefined> => {
      try {
        return JSON.stringify(await peers[peer](token));
      } catch {
        return undefined;
      }
    };
    const [jose, awsJwtVerify, fast] = [await ask("jose"), await ask("aws-jwt-verify"), await ask("fast-jwt")];
    return {
      code,
      claims: { latchkey: own && JSON.stringify(own.claims), jose, "aws-jwt-verify": awsJwtVerify, "fast-jwt": fast },
    };
  };
}
