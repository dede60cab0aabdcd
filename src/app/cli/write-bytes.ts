import { once } from "node:events";

/** Writes bytes as they are; waits while the reader is behind. */
export async function writeBytes(stream: NodeJS.WritableStream, data: Uint8Array): Promise<void> {
  if (!stream.write(data)) await once(stream, "drain");
}
