/**
 * Every error that latchkey raises on purpose. The class says what the caller can do about it, `code` says why.
 *
 * This file imports nothing, so that any room may use it. How an error looks on the wire is decided in one place,
 * `connect-errors.ts`.
 *
 * @module
 */

/** Why a token, or the header that should carry one, was rejected. Another token may be accepted. */
export type TokenRejectedCode =
  | "ERR_CREDENTIALS_MISSING"
  | "ERR_CREDENTIALS_MALFORMED"
  | "ERR_TOKEN_MALFORMED"
  | "ERR_TOKEN_TYPE"
  | "ERR_TOKEN_ALGORITHM"
  | "ERR_TOKEN_ISSUER"
  | "ERR_TOKEN_AUDIENCE"
  | "ERR_TOKEN_EXPIRED"
  | "ERR_TOKEN_NOT_YET_VALID"
  | "ERR_TOKEN_LIFETIME"
  | "ERR_TOKEN_CLAIMS"
  | "ERR_TOKEN_BOUND"
  | "ERR_TOKEN_SIGNATURE"
  | "ERR_TOKEN_REVOKED"
  | "ERR_PROOF_MISSING"
  | "ERR_PROOF_INVALID"
  | "ERR_PROOF_NONCE"
  | "ERR_PROOF_REPLAYED"
  | "ERR_KEY_NOT_FOUND"
  | "ERR_KEY_UNUSABLE";

/** Which rule a verified caller does not satisfy. Another token of the same caller does not help. */
export type AccessDeniedCode =
  | "ERR_ROLE_MISSING"
  | "ERR_SCOPE_MISSING"
  | "ERR_ORG_MISSING"
  | "ERR_ORG_MISMATCH"
  | "ERR_CONDITION_NOT_MET";

/** Why a good token is not good enough: its subject has to authenticate again, or more strongly. */
export type StepUpCode = "ERR_STEP_UP_REQUIRED";

/** Why a token could not be checked at present. The token may be good; waiting helps. */
export type KeysUnavailableCode =
  | "ERR_KEYS_UNAVAILABLE"
  | "ERR_KEYS_INVALID"
  | "ERR_REVOCATION_UNAVAILABLE"
  | "ERR_REPLAY_UNAVAILABLE"
  | "ERR_TOO_MANY_PENDING";

/** Why a client has no token to send. */
export type TokenSourceCode =
  | "ERR_TOKEN_SOURCE_UNAVAILABLE"
  | "ERR_TOKEN_SOURCE_REFUSED"
  | "ERR_TOKEN_SOURCE_INVALID"
  | "ERR_TOKEN_ORIGIN";

/** Why a signing key or a stored credential cannot be used. */
export type CredentialCode =
  | "ERR_KEY_MISSING"
  | "ERR_KEY_INVALID"
  | "ERR_KEY_PUBLIC"
  | "ERR_KEY_PASSPHRASE"
  | "ERR_KEY_ALGORITHM"
  | "ERR_KEY_WEAK"
  | "ERR_KEY_PERMISSIONS"
  | "ERR_CREDENTIAL_NOT_FOUND"
  | "ERR_CREDENTIAL_EXISTS"
  | "ERR_CREDENTIAL_STORE";

/** Why a configuration given by file, environment or command line cannot be used. */
export type ConfigCode = "ERR_CONFIG_INVALID" | "ERR_CONFIG_UNREADABLE" | "ERR_DEPENDENCY_MISSING";

/** Every code of every error. */
export type AuthErrorCode =
  | TokenRejectedCode
  | AccessDeniedCode
  | StepUpCode
  | KeysUnavailableCode
  | TokenSourceCode
  | CredentialCode
  | ConfigCode;

/**
 * What all errors of latchkey have in common: a stable `code` to branch on and, where there is one, the `cause`.
 *
 * Messages are for logs of the own process. They never carry a token, a key or the value of a claim.
 */
export abstract class AuthError extends Error {
  /** Why it happened; stable across releases. */
  abstract readonly code: AuthErrorCode;
}

// Names stand on the prototypes, as those of the built-in errors do: they survive minifiers and are not printed twice.

/**
 * A token, or the header that should carry it, was rejected.
 *
 * Has no stack: strangers cause it at will, and to record one takes longer than all that is done about most bad tokens.
 */
export class TokenRejectedError extends AuthError {
  static {
    TokenRejectedError.prototype.name = "TokenRejectedError";
  }

  /** Which check it failed. */
  readonly code: TokenRejectedCode;

  constructor(code: TokenRejectedCode, message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error;
    // Engines without it have nothing to limit; where built-ins are frozen, setting it does nothing.
    if (stackTraceLimit !== undefined) Reflect.set(Error, "stackTraceLimit", 0);
    try {
      super(message, options);
    } finally {
      if (stackTraceLimit !== undefined) Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    }
    this.code = code;
  }
}

/** The caller is known and may not do this. */
export class AccessDeniedError extends AuthError {
  static {
    AccessDeniedError.prototype.name = "AccessDeniedError";
  }

  /** Which rule is not satisfied. */
  readonly code: AccessDeniedCode;

  constructor(code: AccessDeniedCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The caller may do this once its subject has authenticated again, or more strongly (RFC 9470). */
export class StepUpRequiredError extends AuthError {
  static {
    StepUpRequiredError.prototype.name = "StepUpRequiredError";
  }

  /** Always this. */
  readonly code: StepUpCode = "ERR_STEP_UP_REQUIRED";
  /** Authentication contexts ("acr"), one of which the method asks for; empty when it asks for none. */
  readonly acrValues: readonly string[];
  /** How long ago the subject may have authenticated, in seconds; undefined when the method does not ask. */
  readonly maxAgeSeconds: number | undefined;

  constructor(
    message: string,
    demand: { readonly acrValues?: readonly string[] | undefined; readonly maxAgeSeconds?: number | undefined },
  ) {
    super(message);
    this.acrValues = demand.acrValues ?? [];
    this.maxAgeSeconds = demand.maxAgeSeconds;
  }
}

/** Nobody can say at present whether the token is good. */
export class KeysUnavailableError extends AuthError {
  static {
    KeysUnavailableError.prototype.name = "KeysUnavailableError";
  }

  /** Why not. */
  readonly code: KeysUnavailableCode;
  /** How long to wait before another try, in milliseconds; undefined when unknown. */
  readonly retryAfterMs: number | undefined;

  constructor(code: KeysUnavailableCode, message: string, options?: ErrorOptions & { readonly retryAfterMs?: number }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** A client could not obtain a token, or must not send the one it has. */
export class TokenSourceError extends AuthError {
  static {
    TokenSourceError.prototype.name = "TokenSourceError";
  }

  /** Why there is no token. */
  readonly code: TokenSourceCode;
  /** How long the source asks to be left alone, in milliseconds; undefined when it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(code: TokenSourceCode, message: string, options?: ErrorOptions & { readonly retryAfterMs?: number }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** A signing key or a stored credential cannot be used; the message says what to do. */
export class CredentialError extends AuthError {
  static {
    CredentialError.prototype.name = "CredentialError";
  }

  /** What is wrong with it. */
  readonly code: CredentialCode;

  constructor(code: CredentialCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A file, an environment variable or a flag holds something unusable; the message names it. */
export class ConfigError extends AuthError {
  static {
    ConfigError.prototype.name = "ConfigError";
  }

  /** What is wrong with it. */
  readonly code: ConfigCode;

  constructor(code: ConfigCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
