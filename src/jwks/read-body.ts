import { KeysUnavailableError } from "../errors.js";
import { raceSignal } from "../lib/signal.js";

/**
 * Reads a body as JSON, whatever it claims to be long.
 *
 * The cap counts bytes as they leave the decompression, so that a small answer cannot become a large one.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_INVALID` for a body above the cap or one that is not JSON in UTF-8,
 * or with the signal's reason. The caller closes the connection.
 */
export async function readJsonBody(response: Response, maxBytes: number, signal: AbortSignal): Promise<unknown> {
  const text = await readText(response.body, maxBytes, signal);
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
  if (body === null) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = body.getReader();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await raceSignal(reader.read(), signal);
    if (value !== undefined) bytes += value.byteLength;
    if (bytes > maxBytes) {
      throw new KeysUnavailableError("ERR_KEYS_INVALID", `The answer for the key set is longer than ${maxBytes} bytes`);
    }
    try {
      text += decoder.decode(value, { stream: !done });
    } catch {
      throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer for the key set is not UTF-8");
    }
    if (done) return text;
  }
}
