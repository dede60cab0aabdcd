import type { TestIssuer } from "latchkey/testing";
import type { Principal } from "latchkey/verify";
import { readJws } from "./jws-reader.ts";
import { type JsonObject, own, textOf } from "./strict-reader.ts";

/** Who a caller is and what he may do, in a form that can be compared as text. */
export interface Meaning {
  readonly issuer: unknown;
  readonly subject: unknown;
  readonly principalId: unknown;
  readonly org: unknown;
  readonly roles: readonly unknown[];
  readonly scopes: readonly unknown[];
  readonly audience: readonly unknown[];
  readonly expiresAt: unknown;
  readonly kid: unknown;
  readonly actor: unknown;
  readonly claims: string;
}

/** How far clocks may be apart in the verifier that is examined. */
export const TOLERANCE_SECONDS = 5;

const MAX_LIFETIME_SECONDS = 24 * 60 * 60;

/**
 * Says what a token means whose signature is the issuer's, or why it has to be refused whoever signed it. Written from the
 * rules (RFC 7515, RFC 7519, RFC 8725, RFC 9068) and not from the verifier.
 */
export function readMeaning(token: string, issuer: TestIssuer, nowSeconds: number): Meaning | string {
  const jws = readJws(token);
  if (typeof jws === "string") return jws;
  const { header, payload } = jws;
  return judgeHeader(header, issuer) ?? judgeClaims(payload, issuer, nowSeconds) ?? toMeaning(header, payload);
}

/** The same of a principal that was accepted. */
export function describePrincipal(principal: Principal): Meaning {
  const { issuer, subject, principalId, org, kid, audience } = principal;
  return {
    ...{ issuer, subject, principalId, org },
    roles: [...principal.roles],
    scopes: [...principal.scopes],
    audience,
    expiresAt: principal.expiresAtMs / 1_000,
    kid,
    actor: actorsOf(principal.actor, ({ subject: sub, actor }) => [sub, actor]),
    claims: JSON.stringify(principal.claims),
  };
}

function judgeHeader(header: JsonObject, { algorithms, kid }: TestIssuer): string | undefined {
  if (own(header, "alg") !== algorithms[0]) return "alg";
  if (own(header, "kid") !== kid) return "kid";
  if (!/^(application\/)?at\+jwt$/i.test(textOf(header, "typ") ?? "")) return "typ";
  return undefined;
}

function judgeClaims(claims: JsonObject, { issuer, audience }: TestIssuer, nowSeconds: number): string | undefined {
  if (own(claims, "iss") !== issuer) return "iss";
  if (textOf(claims, "sub") === undefined) return "sub";
  const audiences = audiencesOf(claims);
  if (!audiences.every((entry) => typeof entry === "string") || !audiences.includes(audience)) return "aud";
  for (const name of ["exp", "nbf", "iat"]) {
    if (Object.hasOwn(claims, name) && typeof claims[name] !== "number") return name;
  }
  const [exp, nbf = nowSeconds, iat = nowSeconds] = ["exp", "nbf", "iat"].map(
    (name) => own(claims, name) as number | undefined,
  );
  if (exp === undefined || exp + TOLERANCE_SECONDS <= nowSeconds) return "exp";
  if (nbf - TOLERANCE_SECONDS > nowSeconds || iat - TOLERANCE_SECONDS > nowSeconds) return "nbf";
  if (exp - iat > MAX_LIFETIME_SECONDS) return "lifetime";
  // What proves nothing but itself must not be bound to a key.
  if (Object.hasOwn(claims, "cnf")) return "cnf";
  if (Object.hasOwn(claims, "principal_id") && textOf(claims, "principal_id") === undefined) return "principal_id";
  for (let at: JsonObject = claims; Object.hasOwn(at, "act"); at = at["act"] as JsonObject) {
    const act = at["act"];
    if (typeof act !== "object" || act === null || textOf(act as JsonObject, "sub") === undefined) return "act";
  }
  return undefined;
}

function toMeaning(header: JsonObject, claims: JsonObject): Meaning {
  const roles = own(claims, "roles");
  const scope = own(claims, "scope");
  const scopes = typeof scope === "string" ? scope.split(" ").filter((entry) => entry !== "") : textsOf(scope);
  return {
    issuer: claims["iss"],
    subject: claims["sub"],
    principalId: textOf(claims, "principal_id") ?? claims["sub"],
    org: textOf(claims, "org"),
    roles: [...new Set(textsOf(roles))],
    scopes: [...new Set(scopes)],
    audience: audiencesOf(claims),
    expiresAt: claims["exp"],
    kid: header["kid"],
    actor: actorsOf(own(claims, "act") as JsonObject | undefined, (act) => [act["sub"], own(act, "act") as JsonObject]),
    claims: JSON.stringify(claims),
  };
}

function actorsOf<T>(actor: T | undefined, open: (actor: T) => readonly [unknown, T | undefined]): unknown[] {
  if (actor === undefined) return [];
  const [subject, next] = open(actor);
  return [subject, ...actorsOf(next, open)];
}

function audiencesOf(claims: JsonObject): readonly unknown[] {
  return [own(claims, "aud")].flat();
}

function textsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string") ? value : [];
}
