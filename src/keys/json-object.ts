/** A JSON object as it was read: nothing is known of its members. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Tells whether a value is an object as JSON has it: no array, not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads a JSON object. Gives undefined for everything else, and no error: that of JSON.parse quotes the text, and with
 * it a private key.
 */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
