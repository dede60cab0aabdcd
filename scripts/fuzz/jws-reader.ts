import { type JsonObject, own, readObject } from "./strict-reader.ts";

/** A compact JWS, taken apart; whether anybody signed it is not known. */
export interface ReadJws {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  /** What was signed: header and payload as they stand there. */
  readonly input: string;
  /** In base64url, or what stands in its place. */
  readonly signature: string;
}

const MAX_TOKEN = 8 * 1024;
const MAX_HEADER = 2 * 1024;

/** Reads a JWS, or says why it has to be refused whoever signed it, for what. Written from RFC 7515 and RFC 7519. */
export function readJws(text: string): ReadJws | string {
  if (text.length > MAX_TOKEN) return "size";
  const [first = "", second = "", signature = "", ...rest] = text.split(".");
  if (rest.length !== 0 || signature === "" || first.length > MAX_HEADER) return "form";
  const header = readObject(first);
  const payload = readObject(second);
  if (header === undefined || payload === undefined) return "JSON";
  if (["crit", "b64", "zip", "enc"].some((name) => Object.hasOwn(header, name))) return "extension";
  const cty = own(header, "cty") ?? (Object.hasOwn(header, "cty") ? null : "");
  if (typeof cty !== "string" || /^(application\/)?jwt$/i.test(cty)) return "cty";
  return { header, payload, input: `${first}.${second}`, signature };
}
