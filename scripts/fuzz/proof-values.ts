import { HEADER_VALUES, ODD_VALUES, type Values } from "./json-values.ts";
import { CALLS, hashToken, PROOF_AGE_SECONDS, type ProofCorpus } from "./proof-corpus.ts";

/** Values for the members of proofs, besides those of all tokens. */
export interface ProofValues {
  readonly header: Values;
  /** For the members of "jwk". */
  readonly jwk: Values;
  readonly payload: Values;
}

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k"];

/** Gives the values that mean something in a proof; when a run begins, each of the times is far from every limit. */
export function listProofValues({ provers, tokens, originals, foreignNonce }: ProofCorpus): ProofValues {
  const keys = provers.map(({ jwk }) => jwk);
  const valuesOf = (name: string): readonly string[] =>
    keys.flatMap((jwk) => (jwk[name] === undefined ? [] : [JSON.stringify(jwk[name])]));
  const privateKeys = provers.map(({ privateKey }) => privateKey.export({ format: "jwk" }));
  const quote = (texts: readonly string[]): readonly string[] => texts.map((text) => JSON.stringify(text));
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const ages = [PROOF_AGE_SECONDS + 3_600, 3_600, 60, -60, -3_600, -90_000];
  const times = ages.map((age) => `${nowSeconds - age}`);
  const hashes = tokens.map(({ token }) => hashToken(token));
  const targets = [...CALLS.map(({ url }) => url), ...originals.map(({ payload }) => readMember(payload, "htu"))];
  return {
    header: {
      ...HEADER_VALUES,
      typ: [...(HEADER_VALUES["typ"] ?? []), '"DPoP+JWT"', '"application/dpop+jwt"', '"dpop+jwt "', '"dpop"'],
      jwk: [...keys, ...privateKeys, keys, { kty: "oct", k: "AAAA" }, {}].map((jwk) => JSON.stringify(jwk)),
    },
    jwk: {
      kty: quote(["EC", "OKP", "RSA", "oct"]),
      crv: quote(["P-256", "P-384", "Ed25519", "X25519", "p-256"]),
      x: valuesOf("x"),
      y: valuesOf("y"),
      n: valuesOf("n"),
      e: [...valuesOf("e"), ...quote(["AQ", "Aw", "AAEAAQ", "AQAB="])],
      use: quote(["sig", "enc", ""]),
      key_ops: ['["verify"]', '["sign"]', '["sign","verify"]', '"verify"', "[]"],
      alg: quote(["ES256", "EdDSA", "PS256", "RS256", "none", "ES384", "es256"]),
      kid: quote(["a b", provers[0]?.thumbprint ?? ""]),
      ext: ["true", "false"],
      ...Object.fromEntries(PRIVATE_MEMBERS.map((name) => [name, ['"AA"', '""', "null", "[]"]])),
      ["__proto__"]: keys.map((jwk) => JSON.stringify(jwk)),
    },
    payload: {
      htm: quote(["GET", "POST", "post", "POST ", "PUT", ""]),
      htu: [...quote(targets), ...targets.map((url) => JSON.stringify(url).replaceAll("/", "\\/"))],
      ath: quote([...hashes, ...hashes.map((hash) => `${hash}=`), ...tokens.map(({ token }) => token)]),
      iat: [...times, `"${times[2]}"`, `${times[2]}.5`, `${times[2]}000`, `${Number(times[2]) / 1e9}e9`],
      jti: quote([
        "x",
        "é",
        "\0",
        "x".repeat(256),
        "x".repeat(257),
        ...originals.map((one) => readMember(one.payload, "jti")),
      ]),
      nonce: quote(["x", foreignNonce, ...originals.flatMap(({ service: { nonce } }) => nonce ?? [])]),
      exp: times,
      nbf: times,
      cnf: ODD_VALUES,
      ["__proto__"]: originals.map(({ payload }) => payload),
    },
  };
}

function readMember(json: string, name: string): string {
  return (JSON.parse(json) as Readonly<Record<string, string>>)[name] ?? "";
}
