import { KeysUnavailableError } from "../errors.js";
import { readLimited } from "../lib/read-limited.js";
import { MAX_JSON_DEPTH } from "../token/strict-json.js";

/**
 * Reads a body as JSON, whatever it claims to be long.
 *
 * The cap counts bytes as they leave the decompression, so that a small answer cannot become a large one. Of members
 * that an object has twice the last one counts, as RFC 7517 sections 4 and 5 permit.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_INVALID` for a body above the cap, one that is not JSON in UTF-8 or
 * one that nests deeper than {@link MAX_JSON_DEPTH}, or with the signal's reason. The caller closes the connection.
 */
export async function readJsonBody(response: Response, maxBytes: number, signal: AbortSignal): Promise<unknown> {
  const text = await readText(response.body, maxBytes, signal);
  if (nestsTooDeeply(text)) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer for the key set nests too deeply");
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's error quotes the text, which may hold what should never have been published: no cause.
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer for the key set is not JSON");
  }
}

async function readText(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  const bytes = await readLimited(body, maxBytes, signal);
  if (bytes === undefined) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", `The answer for the key set is longer than ${maxBytes} bytes`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer for the key set is not UTF-8");
  }
}

/** Looks at brackets outside of strings alone, so that the depth is known before anything recursive sees the text. */
function nestsTooDeeply(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (char === '"') inString = !inString;
    else if (inString) index += char === "\\" ? 1 : 0;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    if (depth > MAX_JSON_DEPTH) return true;
  }
  return false;
}
