import type { JWK } from "jose";
import type { Database, Queryable } from "../database/database.js";
import { migrate } from "../database/migrations.js";
import { CredentialRefusedError } from "./credential-error.js";
import { CREDENTIAL_TABLES } from "./credential-tables.js";
import type { PublicKey } from "./public-key-pem.js";

/** A public key on record, and whom it stands for. */
export interface CredentialRecord {
  readonly fingerprint: string;
  readonly name: string;
  readonly orgId: string;
  readonly principalId: string;
  readonly roles: readonly string[];
  readonly publicJwk: JWK;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** When it was revoked; null while it is in force. */
  readonly revokedAt: Date | null;
}

/** What to record. */
export interface NewCredential {
  readonly orgId: string;
  readonly key: PublicKey;
  readonly name: string;
  readonly principalId: string;
  readonly roles: readonly string[];
}

/** The record of organisations and of the keys that sign for their principals. */
export interface CredentialRecords extends AsyncDisposable {
  /**
   * Records a key, or changes the record of one that the organisation has already.
   *
   * Rejects with {@link CredentialRefusedError} `revoked`, or `other_org` when another organisation has the key.
   */
  importKey(credential: NewCredential): Promise<CredentialRecord>;
  /** Everything the organisation has, revoked ones included, oldest first. */
  list(orgId: string): Promise<readonly CredentialRecord[]>;
  /**
   * Revokes a credential; one that is revoked already stays as it is.
   *
   * Rejects with {@link CredentialRefusedError} `not_found`, also when another organisation has it.
   */
  revoke(orgId: string, fingerprint: string): Promise<CredentialRecord>;
  /** Finds a credential in force, of any organisation: for checking signatures only. */
  findInForce(fingerprint: string): Promise<CredentialRecord | undefined>;
  /** Names of all organisations. */
  orgs(): Promise<readonly string[]>;
}

/** Options of {@link createCredentialRecords}. */
export interface CredentialRecordsOptions {
  readonly database: Database;
  /** Called for every credential that was recorded, changed or revoked, here or by another server of the database. */
  readonly onChange: (fingerprint: string) => void;
}

// Servers that share a database tell each other what to forget.
const CHANNEL = "credential";

const COLUMNS = `fingerprint, name, org_id AS "orgId", principal_id AS "principalId", roles, public_jwk AS "publicJwk",
  created_at AS "createdAt", updated_at AS "updatedAt", revoked_at AS "revokedAt"`;

/** Opens the record in a database, with its tables brought up to date. */
export async function createCredentialRecords(options: CredentialRecordsOptions): Promise<CredentialRecords> {
  const { database, onChange } = options;
  await migrate(database, CREDENTIAL_TABLES);
  const listening = await database.listen(CHANNEL, (fingerprint) => {
    // Without a payload notices may have been missed: what is cached by then lives for seconds at most.
    if (fingerprint !== undefined) onChange(fingerprint);
  });
  const change = async (
    fingerprint: string,
    work: (transaction: Queryable) => Promise<CredentialRecord>,
  ): Promise<CredentialRecord> => {
    const record = await database.transaction(async (transaction) => {
      const changed = await work(transaction);
      await transaction.notify(CHANNEL, fingerprint);
      return changed;
    });
    // At once and not when the notice arrives: the next call here must see the change.
    onChange(fingerprint);
    return record;
  };
  return {
    importKey: (credential) => change(credential.key.fingerprint, (transaction) => upsert(transaction, credential)),
    async list(orgId) {
      const sql = `SELECT ${COLUMNS} FROM credential WHERE org_id = $1 ORDER BY created_at, fingerprint`;
      return (await database.query<CredentialRecord>(sql, [orgId])).rows;
    },
    revoke: (orgId, fingerprint) =>
      change(fingerprint, async (transaction) => {
        const { rows } = await transaction.query<CredentialRecord>(
          `UPDATE credential SET revoked_at = coalesce(revoked_at, now()),
             updated_at = CASE WHEN revoked_at IS NULL THEN now() ELSE updated_at END
           WHERE org_id = $1 AND fingerprint = $2 RETURNING ${COLUMNS}`,
          [orgId, fingerprint],
        );
        if (rows[0] === undefined) throw new CredentialRefusedError("not_found", "no such credential");
        return rows[0];
      }),
    async findInForce(fingerprint) {
      const sql = `SELECT ${COLUMNS} FROM credential WHERE fingerprint = $1 AND revoked_at IS NULL`;
      return (await database.query<CredentialRecord>(sql, [fingerprint])).rows[0];
    },
    async orgs() {
      const { rows } = await database.query<{ name: string }>("SELECT name FROM org ORDER BY name");
      return rows.map(({ name }) => name);
    },
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

async function upsert(transaction: Queryable, credential: NewCredential): Promise<CredentialRecord> {
  const { orgId, key, name, principalId, roles } = credential;
  await transaction.query("INSERT INTO org (name) VALUES ($1) ON CONFLICT DO NOTHING", [orgId]);
  // One statement decides, so that an import cannot slip past a revocation made at the same time.
  const { rows } = await transaction.query<CredentialRecord>(
    `INSERT INTO credential (fingerprint, org_id, name, principal_id, roles, public_jwk)
     VALUES ($1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb)
     ON CONFLICT (fingerprint) DO UPDATE SET name = $3, principal_id = $4, roles = $5::text::jsonb, updated_at = now()
       WHERE credential.org_id = $2 AND credential.revoked_at IS NULL
     RETURNING ${COLUMNS}`,
    [key.fingerprint, orgId, name, principalId, JSON.stringify(roles), JSON.stringify(key.jwk)],
  );
  if (rows[0] !== undefined) return rows[0];
  const own = await transaction.query("SELECT 1 FROM credential WHERE org_id = $1 AND fingerprint = $2", [
    orgId,
    key.fingerprint,
  ]);
  throw own.rows.length === 0
    ? new CredentialRefusedError("other_org", "this key cannot be imported: it belongs to another organisation")
    : new CredentialRefusedError("revoked", "this key was revoked: make a new one");
}
