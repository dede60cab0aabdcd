import { createTestIssuer, type JwsAlgorithm, type TestIssuer } from "latchkey/testing";

/** A token as an issuer signed it. */
export interface Original {
  readonly token: string;
  readonly issuer: TestIssuer;
  /** JSON of the header. */
  readonly header: string;
  /** JSON of the payload. */
  readonly payload: string;
}

/** Issuers that are all trusted by one verifier, and good tokens of theirs. */
export interface Corpus {
  readonly issuers: readonly TestIssuer[];
  readonly originals: readonly Original[];
}

const ALGORITHMS = ["ES256", "EdDSA", "RS256"] as const satisfies readonly JwsAlgorithm[];
/** How long its tokens live, and the longest that a run may take. */
export const LIFETIME_SECONDS = 3 * 60 * 60;
const AUDIENCE = "https://service.test";

/** What the tokens of an issuer say beside what all say. */
const CLAIMS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { sub: "bob", org: "globex", roles: ["admin", "worker"], scope: "jobs.read jobs.write" },
  { sub: "carol", aud: ["https://other.test", AUDIENCE], act: { sub: "proxy" }, principal_id: "p-1", nbf: 1 },
  { sub: "dörte ✓", org: undefined, roles: [], scope: ["a"], realm_access: { roles: ["x"] }, list: [1, [{ a: null }]] },
];

/** Makes the corpus. All issuers name their key alike, so that one could be taken for the other's. */
export async function createCorpus(): Promise<Corpus> {
  const issuers = await Promise.all(
    ALGORITHMS.map((algorithm) =>
      createTestIssuer({ issuer: `https://${algorithm}.test`.toLowerCase(), audience: AUDIENCE, algorithm }),
    ),
  );
  const originals = await Promise.all(
    issuers.flatMap((issuer) =>
      CLAIMS.map(async (claims): Promise<Original> => {
        const token = await issuer.mint({ claims, lifetimeSeconds: LIFETIME_SECONDS });
        const [header = "", payload = ""] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
        return { token, issuer, header, payload };
      }),
    ),
  );
  return { issuers, originals };
}
