/**
 * Checks headers that the user wants sent along.
 *
 * @param given - Names and values; copied.
 * @param own - Names in lower case that are set by whoever sends the request.
 * @throws TypeError if a name or value cannot stand in HTTP, or a name is one of `own`; no value is part of the message.
 */
export function readExtraHeaders(given: Readonly<Record<string, string>>, own: readonly string[]): Headers {
  let headers: Headers;
  try {
    if (Object.values(given).some((value) => typeof value !== "string")) throw new TypeError();
    headers = new Headers(given);
  } catch {
    // What the platform says quotes the value.
    throw new TypeError("headers must be names and values that HTTP permits");
  }
  const taken = own.find((name) => headers.has(name));
  if (taken !== undefined) throw new TypeError(`headers must not have "${taken}"`);
  return headers;
}
