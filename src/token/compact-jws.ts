import { TokenRejectedError } from "../errors.js";
import { decodeBase64url, encodeBase64url } from "../lib/base64url.js";
import { isKid } from "./kid.js";
import { parseStrictJsonObject } from "./strict-json.js";

/** How large a token may be before anything of it is looked at. Characters and bytes are the same: all is ASCII. */
export const TOKEN_LIMITS: Readonly<Record<"maxTokenBytes" | "maxHeaderBytes" | "maxValues", number>> = {
  /** The whole token. */
  maxTokenBytes: 8 * 1024,
  /** The header, still encoded. */
  maxHeaderBytes: 2 * 1024,
  /** Members and array entries of header or payload, nested ones included. */
  maxValues: 512,
};

/** What a compact JWS says of itself. Nothing of it is true before the signature is verified. */
export interface CompactJws {
  /** Header parameters, deeply frozen. */
  readonly header: Readonly<Record<string, unknown>>;
  /** "alg", as it stands there. */
  readonly alg: string;
  /** "kid"; undefined when there is none. */
  readonly kid: string | undefined;
  /** "typ"; undefined when there is none. */
  readonly typ: string | undefined;
  /** Claims, deeply frozen. A member named `__proto__` is a claim like any other: read with `Object.hasOwn`. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Signature. */
  readonly signature: Uint8Array<ArrayBuffer>;
  /** What was signed: header and payload as they stand in the token. */
  readonly signingInput: string;
}

// Header parameters that change what a signature covers or means. Ignoring one would be accepting a token that its
// issuer meant differently; "crit" may name no extension, for none is understood (RFC 7515 section 4.1.11).
const REFUSED_PARAMETERS = ["crit", "b64", "zip", "enc"] as const;

/**
 * Takes a compact JWS apart, strictly, without any cryptography.
 *
 * Size is checked before content, and each part has exactly one accepted spelling, so that equal tokens are equal
 * texts. Keys that a header carries or points at ("jwk", "jku", "x5c", "x5u", …) are never looked at.
 *
 * Spec: RFC 7515 sections 3.1 and 5.2, RFC 7519 section 7.2, RFC 8725 sections 3.1 and 3.10.
 *
 * @param token - The token, such as the part of an Authorization header after `Bearer `.
 * @throws TokenRejectedError `ERR_TOKEN_MALFORMED`, with a text that does not tell which rule was broken.
 */
export function parseCompactJws(token: string): CompactJws {
  if (token.length > TOKEN_LIMITS.maxTokenBytes) throw malformed();
  const headerEnd = token.indexOf(".");
  const payloadEnd = token.indexOf(".", headerEnd + 1);
  if (headerEnd === -1 || payloadEnd === -1 || token.includes(".", payloadEnd + 1)) throw malformed();
  if (headerEnd > TOKEN_LIMITS.maxHeaderBytes) throw malformed();
  // The payload last: it is what takes time.
  const signature = decodeBase64url(token.slice(payloadEnd + 1));
  if (signature === undefined || signature.length === 0) throw malformed();
  const header = parseHeader(token.slice(0, headerEnd));
  const payload = parseObject(decode(token.slice(headerEnd + 1, payloadEnd)));
  return { ...header, payload, signature, signingInput: token.slice(0, payloadEnd) };
}

type Header = Pick<CompactJws, "header" | "alg" | "kid" | "typ">;

// The tokens that a key signs have one header, letter by letter. It is public, and says nothing of whose token it is.
const knownHeaders = new Map<string, Header>();
const MOST_KNOWN_HEADERS = 16;

function parseHeader(text: string): Header {
  const known = knownHeaders.get(text);
  if (known !== undefined) return known;
  const bytes = decode(text);
  const parsed = readHeader(parseObject(bytes));
  // That of a proof, which is no other caller's.
  if (Object.hasOwn(parsed.header, "jwk")) return parsed;
  if (knownHeaders.size === MOST_KNOWN_HEADERS) knownHeaders.clear();
  // The same text once more, since a part of the token would keep the whole of it in memory.
  knownHeaders.set(encodeBase64url(bytes), parsed);
  return parsed;
}

function decode(text: string): Uint8Array {
  const bytes = decodeBase64url(text);
  if (bytes === undefined) throw malformed();
  return bytes;
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const object = parseStrictJsonObject(bytes, TOKEN_LIMITS);
  if (object === undefined) throw malformed();
  return object;
}

function readHeader(header: Readonly<Record<string, unknown>>): Header {
  if (REFUSED_PARAMETERS.some((name) => Object.hasOwn(header, name))) throw malformed();
  const alg = readString(header, "alg");
  const kid = readString(header, "kid");
  const typ = readString(header, "typ");
  const cty = readString(header, "cty");
  if (alg === undefined) throw malformed();
  if (kid !== undefined && !isKid(kid)) throw malformed();
  // RFC 7519 section 5.2: "JWT" announces a token inside the token.
  if (cty !== undefined && /^(application\/)?jwt$/i.test(cty)) throw malformed();
  return { header, alg, kid, typ };
}

function readString(header: Readonly<Record<string, unknown>>, name: string): string | undefined {
  if (!Object.hasOwn(header, name)) return undefined;
  const value = header[name];
  if (typeof value !== "string") throw malformed();
  return value;
}

function malformed(): TokenRejectedError {
  return new TokenRejectedError("ERR_TOKEN_MALFORMED", "The token is not an acceptable compact JWS");
}
