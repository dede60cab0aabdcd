const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** Roles of the job service, which credentials have. */
export const ROLES: readonly string[] = ["submitter", "worker", "admin"];

/** Role of tokens, of the server's own issuer alone, that may operate the server itself. No credential has it. */
export const OPERATOR_ROLE = "operator";

/** Tells whether a text can name an organisation or a queue. The protos say the same of requests. */
export function isName(text: string): boolean {
  return NAME.test(text);
}
