import { createHostileTokenMaker, HOSTILE_TOKEN_RECIPES } from "./hostile-token-maker.js";
import type { MintOptions, TestIssuer } from "./test-issuer.js";

/** A token that no server may accept. */
export interface HostileToken {
  /** What is wrong with it, in a few words that follow "a token". */
  readonly name: string;
  /** The token. */
  readonly token: string;
}

/**
 * Makes tokens in the name of an issuer that a server which trusts it must refuse, every one: forged, stolen, altered,
 * expired, or meant for somebody or something else.
 *
 * Expired ones are so by an hour, so that no tolerance for clocks lets them pass.
 *
 * Spec: RFC 8725 sections 2 and 3, RFC 9068 section 4, RFC 8705 section 3 and RFC 9449 section 7.2 (bound tokens).
 *
 * @example
 * ```ts
 * import { createTestIssuer, hostileTokens } from "latchkey/testing";
 * import { createVerifier } from "latchkey/verify";
 *
 * const issuer = await createTestIssuer();
 * const verifier = createVerifier({ issuers: [issuer.trusted()] });
 * for (const { name, token } of await hostileTokens(issuer)) {
 *   const accepted = await verifier.verify(token).then(
 *     () => true,
 *     () => false,
 *   );
 *   if (accepted) throw new Error(`accepted a token ${name}`);
 * }
 * ```
 *
 * @param issuer - Whom the server trusts.
 * @param claims - Claims of the tokens, beside what makes each of them hostile; default: those of a good token.
 */
export async function hostileTokens(
  issuer: TestIssuer,
  claims: NonNullable<MintOptions["claims"]> = {},
): Promise<readonly HostileToken[]> {
  const maker = createHostileTokenMaker(issuer);
  return Promise.all(
    HOSTILE_TOKEN_RECIPES.map(async (recipe) => ({ name: recipe.name, token: await maker.make(recipe, claims) })),
  );
}
