import type { Migrations } from "../database/migrations.js";

/**
 * The tables of the job service. They are the truth about every job: pg-boss's own tables, written in the same
 * transactions, only say in which order the waiting jobs are handed out (see `tickets.ts`).
 */
export const jobMigrations: Migrations = {
  room: "jobs",
  steps: [
    `CREATE TABLE job (
       id uuid PRIMARY KEY,
       org_id text NOT NULL,
       queue text NOT NULL,
       state text NOT NULL CHECK (state IN ('scheduled', 'running', 'completed', 'failed', 'cancelled')),
       -- What the submitter sent: a latchkey.jobs.v1.Job with its fields and nothing else.
       spec bytea NOT NULL,
       spec_hash bytea NOT NULL,
       -- Hashed: a key may be any text, also one that a text column cannot hold.
       idempotency_hash bytea,
       submitted_by text NOT NULL,
       max_attempts int NOT NULL,
       attempt int NOT NULL DEFAULT 0,
       created_at timestamptz NOT NULL DEFAULT now(),
       started_at timestamptz,
       ended_at timestamptz,
       exit_code int,
       error text NOT NULL DEFAULT '',
       cancel_requested boolean NOT NULL DEFAULT false,
       -- The waiting job's place in pg-boss.
       ticket_id uuid,
       -- The lease of a running job; of an ended one the last lease, to know a repeated call by.
       lease_hash bytea,
       lease_stream uuid,
       lease_expires_at timestamptz,
       -- How many events of the lease are stored, of those that its worker numbers.
       lease_position bigint NOT NULL DEFAULT 0,
       last_sequence bigint NOT NULL DEFAULT 0,
       event_bytes bigint NOT NULL DEFAULT 0
     );
     CREATE UNIQUE INDEX job_idempotency ON job (org_id, idempotency_hash) WHERE idempotency_hash IS NOT NULL;
     CREATE INDEX job_newest ON job (org_id, created_at DESC, id DESC);
     CREATE INDEX job_newest_of_queue ON job (org_id, queue, created_at DESC, id DESC);
     CREATE INDEX job_newest_in_state ON job (org_id, state, created_at DESC, id DESC);
     CREATE INDEX job_waiting ON job (org_id, queue) WHERE state = 'scheduled';
     CREATE INDEX job_lease_end ON job (lease_expires_at) WHERE state = 'running';
     CREATE INDEX job_lease_stream ON job (lease_stream) WHERE state = 'running';
     CREATE TABLE job_event (
       job_id uuid NOT NULL REFERENCES job (id) ON DELETE CASCADE,
       sequence bigint NOT NULL,
       -- A latchkey.jobs.v1.JobEvent without its sequence.
       event bytea NOT NULL,
       PRIMARY KEY (job_id, sequence)
     );
     CREATE TABLE job_secret (name text PRIMARY KEY, value bytea NOT NULL);`,
  ],
};
