import { raceSignal } from "./signal.js";

/**
 * Reads a body, whatever it claims to be long. The cap counts bytes as they leave the decompression, so that a small
 * answer cannot become a large one.
 *
 * Rejects with the signal's reason, or as the body does. The caller closes the connection.
 *
 * @returns The bytes; undefined for a body of more than `maxBytes`.
 */
export async function readLimited(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  for (;;) {
    const { done, value } = await raceSignal(reader?.read() ?? Promise.resolve(END), signal);
    if (done) return concatenate(chunks, length);
    length += value.byteLength;
    if (length > maxBytes) return undefined;
    chunks.push(value);
  }
}

const END = { done: true, value: undefined } as const;

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
