import { readJws } from "./jws-reader.ts";
import { isSignedBy } from "./jws-signature.ts";
import { TOLERANCE_SECONDS } from "./model.ts";
import { hashToken, PROOF_AGE_SECONDS, PROOF_ALGORITHMS } from "./proof-corpus.ts";
import type { ShownProof } from "./proof-mutant.ts";
import { type Prover, readThumbprint } from "./prover.ts";
import { type JsonObject, own, textOf } from "./strict-reader.ts";
import { compareTargets } from "./target-reader.ts";

/** What is to be thought of a proof that its key signed, for the call and the token that it came with. */
export interface ProofReading {
  /** Key and "jti" together: good once. */
  readonly id: string;
  /** Whether it has the nonce that the service gave out, where one is asked for. */
  readonly hasNonce: boolean;
  /** Whether it has to be accepted; otherwise it also may be refused. */
  readonly isCertain: boolean;
}

const MAX_ID = 256;
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k"];
// Within this of a limit, either answer is right: the verifier looks at its clock later than the model does.
const UNSURE_SECONDS = 3;

/**
 * Says why a proof has to be refused, or what is left to be asked of it. Written from RFC 9449 section 4.3 and not from
 * the verifier; the signature is checked by OpenSSL, with the key that the token was bound to when it was made.
 */
export function readProof({ service, token: { token, prover }, call, proof }: ShownProof): ProofReading | string {
  const jws = readJws(proof);
  if (typeof jws === "string") return jws;
  const { header, payload, input, signature } = jws;
  const alg = textOf(header, "alg") ?? "";
  const flaw = judgeHeader(header, alg) ?? judgeKey(own(header, "jwk"), alg, prover);
  if (flaw !== undefined) return flaw;
  if (own(payload, "htm") !== call.method) return "htm";
  const target = compareTargets(textOf(payload, "htu") ?? "", call.url, service.origin);
  if (target === "different") return "htu";
  if (own(payload, "ath") !== hashToken(token)) return "ath";
  const jti = textOf(payload, "jti");
  if (jti === undefined || jti.length > MAX_ID) return "jti";
  const iat = own(payload, "iat");
  if (typeof iat !== "number") return "iat";
  const nowSeconds = Date.now() / 1_000;
  // How long it is still good, and how long it is good already.
  const margin = Math.min(
    iat + PROOF_AGE_SECONDS + TOLERANCE_SECONDS - nowSeconds,
    nowSeconds + TOLERANCE_SECONDS - iat,
  );
  if (margin < -UNSURE_SECONDS) return "iat";
  if (!isSignedBy(alg, prover.publicKey, input, signature)) return "signature";
  return {
    id: `${prover.thumbprint} ${jti}`,
    hasNonce: service.nonce === undefined || own(payload, "nonce") === service.nonce,
    isCertain: target === "same" && margin > UNSURE_SECONDS,
  };
}

function judgeHeader(header: JsonObject, alg: string): string | undefined {
  if (!/^(application\/)?dpop\+jwt$/i.test(textOf(header, "typ") ?? "")) return "typ";
  if (Object.hasOwn(header, "kid") && !/^[\x21-\x7e]{1,256}$/.test(textOf(header, "kid") ?? "")) return "kid";
  return PROOF_ALGORITHMS.includes(alg) ? undefined : "alg";
}

/** The key has to be the one that the token is bound to, and public, and must not be meant for something else. */
function judgeKey(jwk: unknown, alg: string, { thumbprint }: Prover): string | undefined {
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) return "jwk";
  const members = jwk as JsonObject;
  if (readThumbprint(members) !== thumbprint) return "another key";
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(members, name))) return "private key";
  if (Object.hasOwn(members, "use") && members["use"] !== "sig") return "use";
  if (Object.hasOwn(members, "alg") && members["alg"] !== alg) return "alg of the key";
  const operations = Object.hasOwn(members, "key_ops") ? members["key_ops"] : ["verify"];
  return Array.isArray(operations) && operations.includes("verify") ? undefined : "key_ops";
}
