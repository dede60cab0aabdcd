const KID = /^[\x21-\x7e]{1,256}$/;

/**
 * Tells whether a value is a "kid" that latchkey signs with and accepts: 1 to 256 visible ASCII characters, which can
 * stand in any header, log line or file as they are. RFC 7515 section 4.1.4 permits any text.
 */
export function isKid(value: unknown): value is string {
  return typeof value === "string" && KID.test(value);
}
