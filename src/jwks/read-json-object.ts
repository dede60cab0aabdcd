import { readLimited } from "../lib/read-limited.js";
import { parseStrictJsonObject } from "../token/strict-json.js";
import { assertJson, type DocumentSubject, unusableAnswer } from "./fetch-document.js";

/** An answer that is to hold a document. */
export interface DocumentAnswer {
  readonly response: Response;
  /** What was asked for. */
  readonly subject: DocumentSubject;
  /** Longest body, in bytes after decompression. */
  readonly maxBytes: number;
}

/**
 * Reads an answer as strict JSON: of two members with one name each reader would choose its own.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_INVALID` for another status than 200, another type than JSON, a body
 * of more than `maxBytes`, or one that {@link parseStrictJsonObject} refuses, or with the signal's reason. The caller
 * closes the connection.
 *
 * @returns The document, deeply frozen.
 */
export async function readJsonObject(
  { response, subject, maxBytes }: DocumentAnswer,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  assertJson(response, subject);
  const bytes = await readLimited(response.body, maxBytes, signal);
  if (bytes === undefined) throw unusableAnswer(subject, `was answered with more than ${maxBytes} bytes`);
  const document = parseStrictJsonObject(bytes);
  if (document === undefined) throw unusableAnswer(subject, "was answered with something that is not a JSON object");
  return document;
}
