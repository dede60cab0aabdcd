/** Why a credential was not recorded, changed or found. */
export type CredentialErrorCode = "invalid_key" | "other_org" | "revoked" | "not_found";

/** A request about credentials that cannot be fulfilled; the message may be shown to who made it. */
export class CredentialRefusedError extends Error {
  override readonly name = "CredentialRefusedError";
  /** Why. */
  readonly code: CredentialErrorCode;
  constructor(code: CredentialErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
