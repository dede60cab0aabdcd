import { createHash } from "node:crypto";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type CompactVerifyResult,
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  EmbeddedJWK,
  type JWK,
  type JWTPayload,
} from "jose";

/** A proof as a server saw it, signature checked. */
export interface SeenProof {
  readonly header: CompactVerifyResult["protectedHeader"];
  readonly claims: JWTPayload & { readonly htm?: string; readonly htu?: string; readonly ath?: string };
  readonly token: string;
}

/** A server's check of DPoP calls that shares no code with what is tested: RFC 9449 section 4.3, step by step. */
export interface DpopChecker {
  /** Calls that carried a proof, oldest first, refused ones too. */
  readonly proofs: SeenProof[];
  /** Authorization headers of all calls, oldest first. */
  readonly authorizations: (string | null)[];
  /** The nonce that has to be in proofs; undefined: none. */
  nonce: string | undefined;
  /** Given with every answer that is no refusal for want of a nonce. */
  nextNonce: string | undefined;
  /** Where refusals give the nonce: with the error, or in the headers of the response alone. */
  nonceIn: "error" | "headers";
  /** Called with each call whose proof is right; throws to refuse. */
  afterProof: (seen: SeenProof) => void;
  readonly gate: (context: HandlerContext) => Promise<void>;
}

const ORIGIN_AND_PATH = /^https?:\/\/[^/?#]+[^?#]*/;

/** An error with a challenge, as an authenticating server refuses calls. */
export function challenge(value: string, headers: Readonly<Record<string, string>> = {}): ConnectError {
  return new ConnectError("refused", Code.Unauthenticated, { "www-authenticate": value, ...headers });
}

/** Creates a {@link DpopChecker}. Tokens have to be JWTs with "cnf"; of others the key is not checked. */
export function createDpopChecker(): DpopChecker {
  const identifiers = new Set<unknown>();
  const checker: DpopChecker = {
    proofs: [],
    authorizations: [],
    nonce: undefined,
    nextNonce: undefined,
    nonceIn: "error",
    afterProof: () => {},
    async gate(context) {
      const authorization = context.requestHeader.get("authorization");
      checker.authorizations.push(authorization);
      const [, token = ""] = /^DPoP ([^ ,]+)$/.exec(authorization ?? "") ?? [];
      if (token === "") throw challenge('DPoP algs="ES256"');
      const proof = context.requestHeader.get("dpop") ?? "";
      const { payload, protectedHeader: header } = await compactVerify(proof, EmbeddedJWK).catch((cause: unknown) => {
        throw refused(`the signature: ${cause}`);
      });
      const claims = JSON.parse(new TextDecoder().decode(payload)) as SeenProof["claims"];
      const seen = { header, claims, token };
      checker.proofs.push(seen);
      if (header.typ !== "dpop+jwt") throw refused("typ");
      if (Object.keys(header.jwk ?? {}).some((name) => !["kty", "crv", "x", "y", "n", "e"].includes(name))) {
        throw refused("jwk");
      }
      if (claims.htm !== context.requestMethod) throw refused(`htm ${claims.htm} of a ${context.requestMethod}`);
      if (claims.htu !== ORIGIN_AND_PATH.exec(context.url)?.[0]) throw refused(`htu ${claims.htu} of ${context.url}`);
      if (claims.ath !== createHash("sha256").update(token).digest("base64url")) throw refused("ath");
      if (Math.abs((claims.iat ?? 0) * 1_000 - Date.now()) > 60_000) throw refused("iat");
      if (Buffer.from(claims.jti ?? "", "base64url").length < 16 || identifiers.has(claims.jti)) throw refused("jti");
      identifiers.add(claims.jti);
      await assertBinding(token, header.jwk);
      if (claims["nonce"] !== checker.nonce) {
        const given = { "dpop-nonce": checker.nonce ?? "" };
        if (checker.nonceIn === "headers") context.responseHeader.set("dpop-nonce", given["dpop-nonce"]);
        throw challenge('DPoP error="use_dpop_nonce", algs="ES256"', checker.nonceIn === "error" ? given : {});
      }
      if (checker.nextNonce !== undefined) {
        checker.nonce = checker.nextNonce;
        context.responseHeader.set("dpop-nonce", checker.nonce);
      }
      checker.afterProof(seen);
    },
  };
  return checker;
}

async function assertBinding(token: string, jwk: JWK | undefined): Promise<void> {
  if (!token.includes(".")) return;
  const { cnf } = decodeJwt<{ cnf?: { jkt?: string } }>(token);
  if (jwk === undefined || cnf?.jkt !== (await calculateJwkThumbprint(jwk))) {
    throw challenge('DPoP error="invalid_token", error_description="Invalid DPoP key binding"');
  }
}

function refused(what: string): ConnectError {
  const error = challenge('DPoP error="invalid_dpop_proof", algs="ES256"');
  error.cause = what;
  return error;
}
