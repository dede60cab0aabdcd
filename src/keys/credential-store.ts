import type { JwsAlgorithm } from "../token/algorithms.js";
import type { Credential } from "./credential.js";
import type { SigningKey } from "./signing-key.js";

/** What a new credential shall be. */
export interface CreateCredentialOptions {
  /** Its name on this machine: 1 to 64 of `A-Z a-z 0-9 _ . -`, not `.`, `..` or `config.json`. */
  readonly name: string;
  /** Organisation it is meant for. */
  readonly orgId?: string;
  /** Who it is meant to stand for. */
  readonly principalId?: string;
  /** Roles it is meant to have. @defaultValue none */
  readonly roles?: readonly string[];
  /** Algorithm of its key. @defaultValue `"ES256"` */
  readonly algorithm?: JwsAlgorithm;
}

/** What of a credential's record can change; an absent member stays as it is. */
export type CredentialPatch = Partial<{
  readonly orgId: string;
  readonly principalId: string;
  readonly roles: readonly string[];
  readonly imported: boolean;
}>;

/**
 * The credentials of a user of this machine.
 *
 * Methods that take the name of a credential reject with {@link CredentialError} `ERR_CREDENTIAL_NOT_FOUND` when there
 * is none of that name, or no default when it may be left out; the message says which there are. All reject with
 * `ERR_CREDENTIAL_STORE` when a file is damaged or cannot be written (the message names it), and with
 * `ERR_KEY_PERMISSIONS` when it is open to other users.
 */
export interface CredentialStore {
  /** Where the store is. */
  readonly directory: string;
  /** Gives all credentials, sorted by name. */
  list(): Promise<readonly Credential[]>;
  /** Gives a credential: the default one when `name` is left out. */
  get(name?: string): Promise<Credential>;
  /**
   * Generates a key and keeps it as a credential, whole or not at all. Does not make it the default.
   *
   * Rejects with `ERR_CREDENTIAL_EXISTS` when the name is taken, with a RangeError when it is not a name.
   */
  create(options: CreateCredentialOptions): Promise<Credential>;
  /** Changes the record of a credential and gives it as it is now. Of two processes doing so at once, the later wins. */
  update(name: string, patch: CredentialPatch): Promise<Credential>;
  /** Deletes a credential and its private key. Should it be the default, there is none any more. */
  delete(name: string): Promise<void>;
  /** Makes a credential the one that is used when none is named. */
  setDefault(name: string): Promise<void>;
  /** Gives the name of the default credential; undefined when none was chosen or it has been deleted. */
  defaultName(): Promise<string | undefined>;
  /** Loads the key of a credential; its kid is the fingerprint. Rejects as {@link loadSigningKey} does. */
  signingKey(name?: string): Promise<SigningKey>;
  /** Gives the public key of a credential as PEM (SPKI), to be imported on a server. */
  publicKeyPem(name?: string): Promise<string>;
}
