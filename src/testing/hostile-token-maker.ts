import { exportSPKI, importJWK, type JWK } from "jose";
import { decodeBase64url } from "../lib/base64url.js";
import { toBytes } from "./raw-part.js";
import { createTestIssuer, type ForgeOptions, type MintOptions, type TestIssuer } from "./test-issuer.js";

/** What hostile tokens are made of. */
export interface HostileTokenMaterial {
  readonly issuer: TestIssuer;
  /** An issuer of the same name and with keys of its own under the same "kid"s. */
  readonly stranger: TestIssuer;
  /** The parts of a good token. */
  readonly good: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly signature: Uint8Array;
  /** When it was issued, in seconds since the epoch. */
  readonly issuedAt: number;
  /** The public key that verifies it. */
  readonly publicJwk: JWK;
}

const HOUR = 60 * 60;
const THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const FORGERIES: Readonly<Record<string, (material: HostileTokenMaterial) => Promise<string>>> = {
  'with "alg" none and no signature': (material) => forgeUnsigned(material, new Uint8Array()),
  'with "alg" none and a stolen signature': (material) => forgeUnsigned(material, material.signature),
  "signed with HMAC and the public JWK as secret": (material) =>
    forgeHmac(material, toBytes(JSON.stringify(material.publicJwk))),
  "signed with HMAC and the public PEM as secret": async (material) =>
    forgeHmac(material, toBytes(await formatPem(material.publicJwk, material.issuer))),
  // A shorter HMAC key is filled up with zeros (RFC 2104 section 2), and Web Crypto takes none of length 0.
  "signed with HMAC and an empty secret": (material) => forgeHmac(material, new Uint8Array(1)),
  "that was altered after it was signed": (material) =>
    forge(material, { payload: { ...material.payload, roles: ["tester", "admin"] }, signature: material.signature }),
  "signed with the key of a stranger": (material) => forgeByStranger(material, {}),
  "signed with a key that it brings along": (material) =>
    forgeByStranger(material, { jwk: material.stranger.jwks().keys[0] }),
  "signed with a key that nobody knows": (material) =>
    forgeByStranger(material, { kid: `unknown-${crypto.randomUUID()}` }),
  "spelt in another way": async ({ good }) => `${good}=`,
  "with a claim that is there twice": (material) =>
    forge(material, { payload: `${JSON.stringify(material.payload).slice(0, -1)},"sub":"root"}` }),
  "with a critical extension": (material) => forge(material, { header: { ...material.header, crit: ["x"], x: 1 } }),
  "that has expired": (material) =>
    forgeClaims(material, { iat: material.issuedAt - 2 * HOUR, exp: material.issuedAt - HOUR }),
  "that is not valid yet": (material) =>
    forgeClaims(material, { nbf: material.issuedAt + HOUR, exp: material.issuedAt + 2 * HOUR }),
  "that never expires": (material) => forgeClaims(material, { exp: undefined }),
  "of another issuer": (material) => forgeClaims(material, { iss: "https://other-issuer.test" }),
  "for another service": (material) => forgeClaims(material, { aud: "https://other-service.test" }),
  "of another type": (material) => forge(material, { header: { ...material.header, typ: "JWT" } }),
  "bound to a key, without a proof of it": (material) => forgeClaims(material, { cnf: { jkt: THUMBPRINT } }),
  "bound to a certificate, without it": (material) => forgeClaims(material, { cnf: { "x5t#S256": THUMBPRINT } }),
};

/** One way to make a token that has to be refused. */
export interface HostileTokenRecipe {
  /** What is wrong with it, in a few words that follow "a token". */
  readonly name: string;
  /** Makes it. */
  forge(material: HostileTokenMaterial): Promise<string>;
}

/** All ways there are. */
export const HOSTILE_TOKEN_RECIPES: readonly HostileTokenRecipe[] = Object.entries(FORGERIES).map(([name, forge]) => ({
  name,
  forge,
}));

/** Makes hostile tokens in the name of one issuer. */
export interface HostileTokenMaker {
  /** Makes a token as it would be at the present time of the issuer. */
  make(recipe: HostileTokenRecipe, claims?: MintOptions["claims"]): Promise<string>;
}

/** Creates a maker, with a stranger who pretends to be the issuer. */
export function createHostileTokenMaker(issuer: TestIssuer): HostileTokenMaker {
  let stranger: Promise<TestIssuer> | undefined;
  return {
    async make(recipe, claims = {}) {
      stranger ??= createTestIssuer({ issuer: issuer.issuer, audience: issuer.audience, algorithm: issuer.algorithms });
      const good = await issuer.mint({ claims });
      const [header = "", payload = "", signature = ""] = good.split(".");
      const claimsOfGood = parsePart(payload);
      return recipe.forge({
        issuer,
        stranger: await stranger,
        good,
        header: parsePart(header),
        payload: claimsOfGood,
        signature: parseBytes(signature),
        issuedAt: Number(claimsOfGood["iat"]),
        publicJwk: issuer.jwks().keys.find(({ kid }) => kid === issuer.kid) ?? {},
      });
    },
  };
}

function forge({ issuer, header, payload }: HostileTokenMaterial, parts: ForgeOptions): Promise<string> {
  return issuer.forge({ header, payload, ...parts });
}

function forgeClaims(material: HostileTokenMaterial, claims: Readonly<Record<string, unknown>>): Promise<string> {
  return forge(material, { payload: { ...material.payload, ...claims } });
}

function forgeUnsigned(material: HostileTokenMaterial, signature: Uint8Array): Promise<string> {
  return forge(material, { header: { ...material.header, alg: "none" }, signature });
}

function forgeHmac(material: HostileTokenMaterial, secret: Uint8Array<ArrayBuffer>): Promise<string> {
  return forge(material, {
    header: { ...material.header, alg: "HS256" },
    async signature(input) {
      const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
      return new Uint8Array(await crypto.subtle.sign("HMAC", key, input));
    },
  });
}

function forgeByStranger(
  { stranger, header, payload }: HostileTokenMaterial,
  changed: Record<string, unknown>,
): Promise<string> {
  return stranger.forge({ header: { ...header, ...changed }, payload });
}

async function formatPem(jwk: JWK, { algorithms }: TestIssuer): Promise<string> {
  return exportSPKI((await importJWK(jwk, algorithms[0], { extractable: true })) as CryptoKey);
}

function parsePart(text: string): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(parseBytes(text)));
}

function parseBytes(text: string): Uint8Array {
  return decodeBase64url(text) ?? new Uint8Array();
}
