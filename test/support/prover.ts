import { createHash, randomUUID } from "node:crypto";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { Clock } from "../../src/lib/clock.js";
import { withoutUndefined } from "../../src/lib/options.js";
import type { ProofCheck } from "../../src/verify/dpop-proof.js";

/** The method, URL and token of the calls that are proven unless a test says otherwise. */
export const CALL = {
  method: "POST",
  url: "https://jobs.example/latchkey.jobs.v1.JobService/EnqueueJob",
  token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
} as const;

/** Claims and header parameters of a proof to be set, or to be left out with `undefined`. */
export interface ProofChanges {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

/** A caller who holds the key that a token is bound to. Knows nothing of the code that checks proofs. */
export interface Prover {
  /** Its public key. */
  readonly jwk: JWK;
  /** Its private key. */
  readonly privateKey: CryptoKey;
  /** The RFC 7638 thumbprint of its key. */
  readonly thumbprint: string;
  /** Makes a proof for {@link CALL}. */
  prove(changes?: ProofChanges): Promise<string>;
  /** Makes a proof for {@link CALL}, and what is to be checked. */
  call(changes?: ProofChanges): Promise<ProofCheck>;
}

/** Creates a {@link Prover} with a key of its own. */
export async function createProver(clock: Clock, algorithm = "ES256"): Promise<Prover> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const thumbprint = await calculateJwkThumbprint(jwk);
  const prove = ({ claims, header }: ProofChanges = {}): Promise<string> => {
    const payload = withoutUndefined({
      jti: randomUUID(),
      htm: CALL.method,
      htu: CALL.url,
      iat: Math.floor(clock.nowMs() / 1_000),
      ath: createHash("sha256").update(CALL.token).digest("base64url"),
      ...claims,
    });
    const parameters = withoutUndefined({ typ: "dpop+jwt", alg: algorithm, jwk, ...header });
    return new SignJWT(payload).setProtectedHeader({ alg: algorithm, ...parameters }).sign(privateKey);
  };
  return {
    jwk,
    privateKey,
    thumbprint,
    prove,
    call: async (changes) => ({ ...CALL, thumbprint, proof: await prove(changes) }),
  };
}
