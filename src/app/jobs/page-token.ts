import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { decodeBase64url, encodeBase64url } from "../../lib/base64url.js";
import type { Database } from "../database/database.js";
import { JobError } from "./job-errors.js";

/** Where a page of jobs ends: the next one starts after this job. */
export interface PagePosition {
  /** When the job was created, in microseconds since the epoch: as exact as the database keeps it. */
  readonly createdAtMicros: bigint;
  readonly jobId: string;
}

/** What a page token is good for; with anything else it is refused. */
export interface PageScope {
  readonly org: string;
  readonly queue: string;
  readonly state: number;
}

const POSITION_BYTES = 8 + 16;
const MAC_BYTES = 16;

/** Gives a position as a text that only the same listing can be continued with. It grants nothing. */
export function formatPageToken(key: Uint8Array, scope: PageScope, position: PagePosition): string {
  const bytes = Buffer.alloc(POSITION_BYTES);
  bytes.writeBigInt64BE(position.createdAtMicros);
  bytes.write(position.jobId.replaceAll("-", ""), 8, "hex");
  return encodeBase64url(Buffer.concat([bytes, sign(key, scope, bytes)]));
}

/**
 * Reads a page token.
 *
 * @throws JobError `ERR_JOB_INVALID` when the token was not given out for this listing.
 */
export function parsePageToken(key: Uint8Array, scope: PageScope, token: string): PagePosition {
  const decoded = decodeBase64url(token);
  if (decoded === undefined || decoded.length !== POSITION_BYTES + MAC_BYTES) throw invalid();
  const bytes = Buffer.from(decoded.subarray(0, POSITION_BYTES));
  if (!timingSafeEqual(decoded.subarray(POSITION_BYTES), sign(key, scope, bytes))) throw invalid();
  const jobId = bytes.toString("hex", 8).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { createdAtMicros: bytes.readBigInt64BE(), jobId };
}

/** Gives the key that page tokens are authenticated with: made once, the same for every server on the database. */
export async function loadPageTokenKey(database: Database): Promise<Uint8Array> {
  await database.query("INSERT INTO job_secret (name, value) VALUES ('page_token', $1) ON CONFLICT (name) DO NOTHING", [
    randomBytes(32),
  ]);
  const { rows } = await database.query<{ value: Uint8Array }>(
    "SELECT value FROM job_secret WHERE name = 'page_token'",
  );
  const value = rows[0]?.value;
  if (value === undefined) throw new Error("the key of the page tokens is gone");
  return value;
}

function sign(key: Uint8Array, { org, queue, state }: PageScope, position: Uint8Array): Uint8Array {
  // JSON keeps the parts apart: no two scopes give the same text.
  const mac = createHmac("sha256", key)
    .update(JSON.stringify([org, queue, state]))
    .update("\n")
    .update(position);
  return mac.digest().subarray(0, MAC_BYTES);
}

function invalid(): JobError {
  return new JobError("ERR_JOB_INVALID", "page_token is not one that this listing was answered with");
}
