import { isUtf8 } from "node:buffer";
import { WEAK_KID } from "./odd-keys.ts";
import type { Peer } from "./peers.ts";
import { contains, hasTwinMembers, isTooMuch, type Reading } from "./reading.ts";

/** One kind of token of which latchkey and another library think differently, and why that is meant. */
export interface DisagreementClass {
  /** Follows "a token". */
  readonly name: string;
  /** Why latchkey answers as it does. */
  readonly why: string;
  /** The code by which latchkey refuses it; undefined: it accepts it. */
  readonly code: string | undefined;
  /** Who answers otherwise, at least for some of them. */
  readonly peers: readonly Peer[];
  /** Whether a token is of this kind. */
  readonly applies: (reading: Reading) => boolean;
}

const ALL: readonly Peer[] = ["jose", "aws-jwt-verify", "fast-jwt"];
const MALFORMED = "ERR_TOKEN_MALFORMED";
const EXTENSIONS = ["crit", "b64", "zip", "enc"];
const nowSeconds = Date.now() / 1_000;

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isVisible = (kid: unknown): boolean => typeof kid === "string" && /^[\x21-\x7e]{1,256}$/.test(kid);

function namesActors(act: unknown): boolean {
  if (act === undefined) return true;
  if (typeof act !== "object" || act === null || Array.isArray(act)) return false;
  const { sub, act: next } = act as Readonly<Record<string, unknown>>;
  return isText(sub) && namesActors(next);
}

/** All there are; the first that applies counts. */
export const CLASSES: readonly DisagreementClass[] = [
  {
    name: "larger than 8 KiB, or with a header larger than 2 KiB",
    why: "Work for strangers is bounded before anything is read.",
    code: MALFORMED,
    peers: ALL,
    applies: ({ token, parts }) => token.length > 8_192 || (parts[0]?.length ?? 0) > 2_048,
  },
  {
    name: "spelt otherwise than in canonical base64url",
    why: "One token would have many texts (RFC 7515 section 2, RFC 4648 section 3.5).",
    code: MALFORMED,
    peers: ALL,
    applies: ({ parts }) => parts.some((part) => Buffer.from(part, "base64url").toString("base64url") !== part),
  },
  {
    name: "whose JSON begins with a byte order mark",
    why: "Others refuse it (RFC 8259 section 8.1 forbids to add one): two readers, two meanings.",
    code: MALFORMED,
    peers: ["jose"],
    applies: ({ bytes }) => bytes.some((part) => part.subarray(0, 3).toString("hex") === "efbbbf"),
  },
  {
    name: "whose JSON is not UTF-8",
    why: "Readers that put U+FFFD for it take different names for one.",
    code: MALFORMED,
    peers: ["aws-jwt-verify", "fast-jwt"],
    applies: ({ bytes }) => !bytes.every((part) => isUtf8(part)),
  },
  {
    name: "with a member that is there twice",
    why: "Each reader picks one of the two (RFC 7519 section 4 lets it be refused).",
    code: MALFORMED,
    peers: ALL,
    applies: hasTwinMembers,
  },
  {
    name: 'with a number beyond all bounds, such as "exp" 1e999',
    why: "It is read as infinity: the token would never expire.",
    code: MALFORMED,
    peers: ALL,
    applies: (reading) => contains(reading, (value) => typeof value === "number" && !Number.isFinite(value)),
  },
  {
    name: "with half of a surrogate pair in a text",
    why: "It is no Unicode: as UTF-8 it becomes another text.",
    code: MALFORMED,
    peers: ALL,
    applies: (reading) => contains(reading, (value) => typeof value === "string" && !value.isWellFormed()),
  },
  {
    name: "nested deeper than 16, or of more than 512 values",
    why: "What prints or copies the claims later would pay for it.",
    code: MALFORMED,
    peers: ALL,
    applies: isTooMuch,
  },
  {
    name: 'with "crit", "b64", "zip" or "enc" in its header',
    why: "They change what is signed or meant, and none is supported (RFC 7515 section 4.1.11, RFC 7797 section 7).",
    code: MALFORMED,
    peers: ALL,
    applies: ({ header }) => EXTENSIONS.some((name) => Object.hasOwn(header, name)),
  },
  {
    name: 'with a "cty" of JWT, or one that is no text',
    why: "It announces a token inside the token (RFC 7519 section 5.2).",
    code: MALFORMED,
    peers: ALL,
    applies: ({ header: { cty = "" } }) => typeof cty !== "string" || /^(application\/)?jwt$/i.test(cty),
  },
  {
    name: 'with a "kid" that is not 1 to 256 visible ASCII characters',
    why: "It gets into logs and look-ups, and nobody has verified it yet.",
    code: MALFORMED,
    peers: ALL,
    applies: ({ header }) => Object.hasOwn(header, "kid") && !isVisible(header["kid"]),
  },
  {
    name: 'without "kid"',
    why: "Taking the only key there is would be a guess.",
    code: "ERR_KEY_NOT_FOUND",
    peers: ["jose"],
    applies: ({ header }) => !Object.hasOwn(header, "kid"),
  },
  {
    name: "signed for an RSA key with the exponent 1",
    why: "Everybody can: the signature is the padded message itself.",
    code: "ERR_KEY_NOT_FOUND",
    peers: ALL,
    applies: ({ header }) => header["kid"] === WEAK_KID,
  },
  {
    name: 'with "cnf", shown by itself',
    why: "It is bound to a key that nobody has proven (RFC 8705 section 3, RFC 9449 section 7.2).",
    code: "ERR_TOKEN_BOUND",
    peers: ALL,
    applies: ({ payload }) => Object.hasOwn(payload, "cnf"),
  },
  {
    name: "that lives longer than 24 hours",
    why: "What is stolen works until then; `maxLifetimeSeconds` allows more.",
    code: "ERR_TOKEN_LIFETIME",
    peers: ALL,
    applies: ({ payload: { exp, iat = nowSeconds } }) => Number(exp) - Number(iat) > 86_400,
  },
  {
    name: 'with "iat" in the future',
    why: "Its issuer's clock or its issuer is wrong.",
    code: "ERR_TOKEN_NOT_YET_VALID",
    peers: ALL,
    applies: ({ payload: { iat } }) => Number(iat) > nowSeconds,
  },
  {
    name: 'with a "sub" that is no text, or empty',
    why: "It names nobody (RFC 7519 section 4.1.2).",
    code: "ERR_TOKEN_CLAIMS",
    peers: ALL,
    applies: ({ payload: { sub } }) => !isText(sub),
  },
  {
    name: 'with an "iat" that is no number',
    why: "What is of another type must not count as absent (RFC 7519 section 4.1.6).",
    code: "ERR_TOKEN_CLAIMS",
    peers: ["fast-jwt"],
    applies: ({ payload }) => Object.hasOwn(payload, "iat") && typeof payload["iat"] !== "number",
  },
  {
    name: 'with a "principal_id" that is no text',
    why: "A claim that latchkey reads: passing over it could make one caller another.",
    code: "ERR_TOKEN_CLAIMS",
    peers: ALL,
    applies: ({ payload }) => Object.hasOwn(payload, "principal_id") && !isText(payload["principal_id"]),
  },
  {
    name: 'with an "act" that names no actor',
    why: "The subject would seem to act itself (RFC 8693 section 4.1).",
    code: "ERR_TOKEN_CLAIMS",
    peers: ALL,
    applies: ({ payload }) => !namesActors(payload["act"]),
  },
  {
    name: 'with a "scope" or "jti" that is no text',
    why: 'A list of scopes is common; anything else grants nothing. With a revocation list, such a "jti" is refused.',
    code: undefined,
    peers: ["aws-jwt-verify"],
    applies: ({ payload }) =>
      ["scope", "jti"].some((name) => Object.hasOwn(payload, name) && typeof payload[name] !== "string"),
  },
  {
    name: "with a `__proto__` or `constructor` claim",
    why: "They are claims like any other, and no prototype; the other drops them.",
    code: undefined,
    peers: ["aws-jwt-verify"],
    applies: (reading) => contains(reading, (value) => value === "__proto__" || value === "constructor"),
  },
];
