import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createTestIssuer, type TestIssuer } from "latchkey/testing";
import { createMemoryReplayStore, createVerifier, type Verifier } from "latchkey/verify";
import { LIFETIME_SECONDS } from "./corpus.ts";
import { seal } from "./jws-signature.ts";
import { TOLERANCE_SECONDS } from "./model.ts";
import { createProver, type Prover } from "./prover.ts";

/** A token that is bound to a key. */
export interface BoundToken {
  readonly token: string;
  readonly prover: Prover;
  /** JSON of the payload. */
  readonly claims: string;
}

/** A verifier that asks for proofs. */
export interface Service {
  readonly verifier: Verifier;
  /** By which it is known to callers; undefined: that of each URL. */
  readonly origin: string | undefined;
  /** Nonce that it gave out; undefined when it asks for none. */
  readonly nonce: string | undefined;
}

/** A call, as far as proofs speak of it. */
export interface Call {
  readonly method: string;
  readonly url: string;
}

/** A proof as an honest caller makes it, not used yet. */
export interface OriginalProof {
  readonly service: Service;
  readonly token: BoundToken;
  readonly call: Call;
  readonly proof: string;
  /** JSON of the header. */
  readonly header: string;
  /** JSON of the payload. */
  readonly payload: string;
}

/** Services, holders of keys, and good proofs of all holders to all services. */
export interface ProofCorpus {
  readonly issuer: TestIssuer;
  readonly provers: readonly Prover[];
  readonly tokens: readonly BoundToken[];
  readonly originals: readonly OriginalProof[];
  /** A nonce that none of the services gave out. */
  readonly foreignNonce: string;
}

/** What services accept proofs by. */
export const PROOF_ALGORITHMS: readonly string[] = ["ES256", "EdDSA", "PS256", "RS256"];
/** How old a proof may be: so long that each that was used stays known until the end of a run. */
export const PROOF_AGE_SECONDS = 2 * LIFETIME_SECONDS;

/** Calls that proofs are made for. */
export const CALLS: readonly Call[] = [
  { method: "POST", url: "https://jobs.test/latchkey.jobs.v1.JobService/EnqueueJob" },
  { method: "GET", url: "https://jobs.test/latchkey.jobs.v1.JobService/GetJob?encoding=json&message=%7B%7D" },
  { method: "POST", url: "http://jobs.test:8080/tenants/a%2Fb/%7Euser" },
];

/** Subjects of the tokens that are bound to each of the keys; fewer for RSA, which takes four times as long to sign. */
const HOLDERS = [
  { algorithm: "ES256", subjects: ["alice", "bob"] },
  { algorithm: "ES256", subjects: ["alice", "bob"] },
  { algorithm: "EdDSA", subjects: ["alice", "bob"] },
  { algorithm: "PS256", subjects: ["alice"] },
] as const;

/** Makes the corpus. */
export async function createProofCorpus(): Promise<ProofCorpus> {
  const issuer = await createTestIssuer();
  const holders = HOLDERS.map(({ algorithm, subjects }) => ({ prover: createProver(algorithm), subjects }));
  const tokens = await Promise.all(
    holders.flatMap(({ prover, subjects }) => subjects.map((subject) => bindToken(issuer, prover, subject))),
  );
  const services = [createService(issuer, undefined, false), createService(issuer, "https://jobs.example", true)];
  const originals = services.flatMap((service) =>
    tokens.map((token, at) => makeProof(service, token, CALLS[at % CALLS.length] as Call)),
  );
  const foreignNonce = createService(issuer, undefined, true).nonce as string;
  return { issuer, provers: holders.map(({ prover }) => prover), tokens, originals, foreignNonce };
}

/** Makes a good proof that nobody has seen. */
export function makeProof(service: Service, token: BoundToken, call: Call): OriginalProof {
  const { algorithm, jwk } = token.prover;
  const header = JSON.stringify({ typ: "dpop+jwt", alg: algorithm, jwk });
  const { origin, pathname } = new URL(call.url);
  const payload = JSON.stringify({
    jti: randomUUID(),
    htm: call.method,
    htu: (service.origin ?? origin) + pathname,
    iat: Math.floor(Date.now() / 1_000),
    ath: hashToken(token.token),
    nonce: service.nonce,
  });
  return { service, token, call, proof: seal({ header, payload }, token.prover), header, payload };
}

/** Gives the "ath" of a token (RFC 9449 section 4.2). */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

async function bindToken(issuer: TestIssuer, prover: Prover, sub: string): Promise<BoundToken> {
  const claims = { sub, cnf: { jkt: prover.thumbprint } };
  const token = await issuer.mint({ claims, lifetimeSeconds: LIFETIME_SECONDS });
  return { token, prover, claims: Buffer.from(token.split(".")[1] ?? "", "base64url").toString() };
}

function createService(issuer: TestIssuer, origin: string | undefined, requireNonce: boolean): Service {
  const verifier = createVerifier({
    issuers: [issuer.trusted()],
    clockToleranceSeconds: TOLERANCE_SECONDS,
    dpop: {
      maxAgeSeconds: PROOF_AGE_SECONDS,
      requireNonce,
      nonceSecret: randomBytes(32),
      nonceLifetimeSeconds: PROOF_AGE_SECONDS,
      replayStore: createMemoryReplayStore({ maxEntries: 10_000_000 }),
      ...(origin !== undefined && { origin }),
    },
  });
  return { verifier, origin, nonce: verifier.proofNonce() };
}
