import type { Mutant } from "./mutant.ts";

const SIGNATURE = "test/verify/signature.test.ts";
const MALLEABILITY = "test/verify/signature-malleability.test.ts";
const PADDING = "test/verify/signature-padding.test.ts";
const VERIFICATION_KEY = "test/jwks/verification-key.test.ts";
const RSA_SOUNDNESS = "test/lib/rsa-soundness.test.ts";
const VERIFY = "if (!(await verifyBytes(scheme, key, signature, signed))) throw rejected();";

/** Signatures and key quality. */
export const mutantsC: readonly Mutant[] = [
  { id: "C1", file: "src/verify/signature.ts", find: VERIFY, replace: "", tests: [SIGNATURE] },
  {
    id: "C2",
    file: "src/verify/token-cache.ts",
    find: 'hash("sha256", token, "binary")',
    replace: 'hash("sha256", token.slice(0, token.lastIndexOf(".")), "binary")',
    tests: [MALLEABILITY],
  },
  {
    id: "C2",
    file: "src/verify/dpop-verifier.ts",
    find: "digestProof(check.thumbprint, id)",
    replace: "digestProof(check.thumbprint, jws.signature.join())",
    tests: ["test/verify/dpop-verifier.test.ts"],
  },
  { id: "C2", file: "src/verify/signature.ts", find: VERIFY, replace: "", tests: [MALLEABILITY] },
  { id: "C3", file: "src/verify/signature.ts", find: VERIFY, replace: "", tests: [PADDING] },
  {
    id: "C3",
    file: "src/verify/signature.ts",
    find: 'PS256: pss("SHA-256", 32),',
    replace: 'PS256: pss("SHA-256", 20),',
    tests: [PADDING],
  },
  {
    id: "C4",
    file: "src/lib/rsa-soundness.ts",
    find: "bits >= RSA_BITS.min && ",
    replace: "",
    tests: [RSA_SOUNDNESS, VERIFICATION_KEY, SIGNATURE, "test/jwks/crypto-key.test.ts"],
  },
  {
    id: "C5",
    file: "src/lib/rsa-soundness.ts",
    find: "exponent >= MIN_EXPONENT && exponent < MAX_EXPONENT",
    replace: "exponent < MAX_EXPONENT",
    tests: [RSA_SOUNDNESS, VERIFICATION_KEY, SIGNATURE],
  },
  {
    id: "C5",
    file: "src/lib/rsa-soundness.ts",
    find: "exponent >= MIN_EXPONENT && exponent < MAX_EXPONENT",
    replace: "exponent >= MIN_EXPONENT",
    tests: [VERIFICATION_KEY],
  },
  {
    id: "C5",
    file: "src/lib/rsa-soundness.ts",
    find: "modulus % 2n === 0n || ",
    replace: "",
    tests: [RSA_SOUNDNESS, VERIFICATION_KEY],
  },
  {
    id: "C6",
    file: "src/lib/rsa-soundness.ts",
    find: " || isRoca(modulus)",
    replace: "",
    tests: [VERIFICATION_KEY],
  },
  {
    id: "C7",
    file: "src/jwks/curve-hygiene.ts",
    find: " && !SMALL_ORDER_Y.has(y)",
    replace: "",
    tests: ["test/jwks/curve-hygiene.test.ts", VERIFICATION_KEY, SIGNATURE],
  },
  {
    id: "C7",
    file: "src/jwks/curve-hygiene.ts",
    find: "y < FIELD_25519 && ",
    replace: "",
    tests: ["test/jwks/curve-hygiene.test.ts", VERIFICATION_KEY],
  },
  {
    id: "C7",
    file: "src/jwks/curve-hygiene.ts",
    find: "return decoded?.length === bytes ? decoded : undefined;",
    replace: "return decoded;",
    tests: ["test/jwks/curve-hygiene.test.ts"],
  },
  {
    id: "C7",
    file: "src/jwks/verification-key.ts",
    find: "await load(algorithms[0] as JwsAlgorithm);",
    replace: "",
    tests: [VERIFICATION_KEY, "test/verify/static-source.test.ts"],
  },
  {
    id: "C8",
    file: "src/lib/rsa-soundness.ts",
    find: " && bits <= RSA_BITS.max",
    replace: "",
    tests: [RSA_SOUNDNESS, VERIFICATION_KEY],
  },
  {
    id: "C8",
    file: "src/lib/rsa-soundness.ts",
    find: " || text.length > maxLength",
    replace: "",
    tests: [RSA_SOUNDNESS],
  },
  {
    id: "C9",
    file: "src/app/jobs/page-token.ts",
    find: "if (!timingSafeEqual(decoded.subarray(POSITION_BYTES), sign(key, scope, bytes))) throw invalid();",
    replace: "if (decoded.at(-1) !== sign(key, scope, bytes).at(-1)) throw invalid();",
    tests: ["test/app/jobs/page-token.test.ts"],
  },
];
