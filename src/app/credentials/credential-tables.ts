import type { Migrations } from "../database/migrations.js";

/** The tables of this room: organisations, and the public keys that may sign for their principals. */
export const CREDENTIAL_TABLES: Migrations = {
  room: "credentials",
  steps: [
    `CREATE TABLE org (
       name text PRIMARY KEY,
       created_at timestamptz NOT NULL DEFAULT now()
     );
     CREATE TABLE credential (
       fingerprint text PRIMARY KEY,
       org_id text NOT NULL REFERENCES org (name),
       name text NOT NULL,
       principal_id text NOT NULL,
       roles jsonb NOT NULL,
       public_jwk jsonb NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now(),
       revoked_at timestamptz
     );
     CREATE INDEX credential_of_org ON credential (org_id, created_at, fingerprint);`,
  ],
};
