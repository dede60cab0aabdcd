/**
 * The database cannot be used at present: it is closed, its disk is full, or the connection to it is lost.
 *
 * Whether the statement took effect is not known; what was committed before it is safe.
 */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

/** Error classes of PostgreSQL (appendix A of its manual, first two characters) that say so of the server. */
const UNAVAILABLE_CLASSES: ReadonlySet<string> = new Set([
  "08", // connection exception
  "40", // transaction rolled back: lost against another one, may be tried again
  "53", // insufficient resources: disk full, out of memory, too many connections
  "57", // operator intervention: shutting down, starting up, query cancelled by a time limit
  "58", // system error: input or output failed
  "F0", // configuration file error
  "XX", // internal error: data or index corrupted
]);

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** How Node names what may go wrong between two machines or with a disk. */
const SYSTEM_ERROR = /^E(?!RR_)[A-Z0-9]+$/;

/** Messages of drivers that give no code. */
const UNAVAILABLE_MESSAGE =
  /^(?:PGlite is clos|Connection terminated|Client has encountered a connection error|timeout exceeded|Query read timeout|Cannot use a pool after)/;

/**
 * Gives the error to raise for one that a driver raised: a {@link DatabaseUnavailableError} with the cause when the
 * database cannot be used, otherwise the same error.
 */
export function toDatabaseError(error: unknown): unknown {
  return isUnavailable(error) ? new DatabaseUnavailableError("the database is unavailable", { cause: error }) : error;
}

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DatabaseUnavailableError) return false;
  // The embedded engine ends with a trap of its WebAssembly machine: a PANIC of the server, such as a full disk.
  if (error instanceof WebAssembly.RuntimeError) return true;
  const code = "code" in error ? error.code : undefined;
  if (typeof code !== "string") return UNAVAILABLE_MESSAGE.test(error.message);
  // First, since EPIPE has the shape of both; no class of PostgreSQL begins with E.
  if (SYSTEM_ERROR.test(code)) return true;
  return SQLSTATE.test(code) && UNAVAILABLE_CLASSES.has(code.slice(0, 2));
}
