import { assertFields, type FieldsOf } from "../lib/options.js";
import { toBytes } from "./raw-part.js";

/** An answer of a served test issuer, where it differs from a good one. */
export interface TestIssuerResponse {
  /** Status of the answer. @defaultValue `200` */
  readonly status?: number;
  /** Headers that are added, or take the place of the good ones; names in lower case. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Texts and bytes go out as they are, everything else as JSON.
   * @defaultValue what is published; nothing, unless the status is 200
   */
  readonly body?: unknown;
}

/**
 * What can be wrong with an answer, by name:
 *
 * - `"reset"`: the connection is reset before the answer;
 * - `"cut"`: the connection ends in the middle of the body;
 * - `"not-modified"`: status 304, whether or not anybody asked for it;
 * - `"empty"`: a key set without keys;
 * - `"huge"`: a key set, and 64 MiB of something else;
 * - `"garbage"`: a body that is not JSON, and says it is;
 * - `"other-issuer"`: metadata of another issuer.
 */
export type TestIssuerFault = "reset" | "cut" | "not-modified" | "empty" | "huge" | "garbage" | "other-issuer";

/** An answer as it goes out. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body, piece by piece. */
  readonly chunks: Iterable<Uint8Array>;
  /** Where the connection is cut: before the headers, or in the middle of the body; undefined: nowhere. */
  readonly resetAt?: "headers" | "body";
}

/** What a good answer holds. */
export interface GoodAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly document: Readonly<Record<string, unknown>>;
}

const FIELDS: FieldsOf<TestIssuerResponse> = { status: true, headers: true, body: true };

const FAULTS: Readonly<Record<TestIssuerFault, true>> = {
  reset: true,
  cut: true,
  "not-modified": true,
  empty: true,
  huge: true,
  garbage: true,
  "other-issuer": true,
};

const HUGE_CHUNK = new Uint8Array(64 * 1024).fill("x".charCodeAt(0));
const HUGE_CHUNKS = 1024;

/** Throws TypeError unless an answer is the name of a fault, or has no fields but those of a response. */
export function assertAnswer(asked: TestIssuerFault | TestIssuerResponse): void {
  if (typeof asked !== "string") {
    assertFields("answer", asked, FIELDS);
  } else if (!Object.hasOwn(FAULTS, asked)) {
    throw new TypeError(`answer must be one of ${Object.keys(FAULTS).join(", ")}`);
  }
}

/** Turns a good answer into the one that is asked for. */
export function toWireAnswer(asked: TestIssuerFault | TestIssuerResponse, good: GoodAnswer): WireAnswer {
  const { document } = good;
  const json = (body: unknown, headers = good.headers): WireAnswer => ({
    status: 200,
    headers,
    chunks: halve(toBytes(JSON.stringify(body))),
  });
  switch (asked) {
    case "reset":
      return { ...json(document), resetAt: "headers" };
    case "cut":
      return { ...json(document), resetAt: "body" };
    case "not-modified":
      return { status: 304, headers: good.headers, chunks: [] };
    case "empty":
      return json({ keys: [] }, withoutTag(good.headers));
    case "huge":
      return { ...json(document, withoutTag(good.headers)), chunks: pad(document) };
    case "garbage":
      return { ...json(document, withoutTag(good.headers)), chunks: halve(toBytes("<!doctype html><p>Sign in</p>")) };
    case "other-issuer":
      return json({ ...document, issuer: "https://other-issuer.test" }, withoutTag(good.headers));
    default:
      return toScripted(asked, good);
  }
}

function toScripted({ status = 200, headers = {}, body }: TestIssuerResponse, good: GoodAnswer): WireAnswer {
  const isGood = status === 200 && body === undefined;
  const ownHeaders = isGood ? good.headers : withoutTag(good.headers);
  const bytes = encodeBody(body ?? (status === 200 ? good.document : ""));
  return { status, headers: { ...ownHeaders, ...headers }, chunks: halve(bytes) };
}

function encodeBody(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return toBytes(typeof body === "string" ? body : JSON.stringify(body));
}

/** Two pieces, so that there is a middle. */
function halve(bytes: Uint8Array): readonly Uint8Array[] {
  const middle = Math.ceil(bytes.length / 2);
  return [bytes.subarray(0, middle), bytes.subarray(middle)];
}

function* pad(document: Readonly<Record<string, unknown>>): Generator<Uint8Array, void, undefined> {
  yield toBytes(`${JSON.stringify(document).slice(0, -1)},"padding":"`);
  for (let left = HUGE_CHUNKS; left > 0; left--) yield HUGE_CHUNK;
  yield toBytes('"}');
}

/** The tag stands for the good document alone: kept with another one, that one would be confirmed by the next 304. */
function withoutTag({ etag: _etag, ...headers }: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return headers;
}
