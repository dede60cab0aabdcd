const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** Tells whether a text can name an organisation or a queue. The protos say the same of requests. */
export function isName(text: string): boolean {
  return NAME.test(text);
}
