import { ConfigError } from "../errors.js";

const VARIABLE = "LATCHKEY_JWT_EXP_SECONDS";
const LONGEST_SECONDS = 24 * 60 * 60;

// Number() takes "1e3", " 60" and "0x10" as well, parseInt() takes "3600abc".
const WHOLE_NUMBER = /^[1-9]\d{0,4}$/;

/**
 * Reads how long tokens that this process signs shall live from the environment variable `LATCHKEY_JWT_EXP_SECONDS`.
 *
 * @example
 * ```ts
 * import { loadSigningKey, readTokenLifetimeSeconds } from "latchkey/node";
 * import { signedJwt } from "latchkey/client";
 *
 * const { env } = process;
 * const key = await loadSigningKey({ env });
 * const source = signedJwt({ key, issuer: "jobs-cli", lifetimeSeconds: readTokenLifetimeSeconds(env) ?? 600 });
 * ```
 *
 * @param env - The environment: `process.env`.
 * @returns Whole seconds, 1 to 86400; undefined when the variable is not set.
 * @throws ConfigError `ERR_CONFIG_INVALID` when it is anything but a whole number from 1 to 86400, empty included.
 */
export function readTokenLifetimeSeconds(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const text: unknown = env[VARIABLE];
  if (text === undefined) return undefined;
  const seconds = typeof text === "string" && WHOLE_NUMBER.test(text) ? Number(text) : Number.NaN;
  if (seconds <= LONGEST_SECONDS) return seconds;
  const state = text === "" ? "is empty: unset it, or set it to" : "must be";
  throw new ConfigError(
    "ERR_CONFIG_INVALID",
    `${VARIABLE} ${state} a whole number of seconds from 1 to ${LONGEST_SECONDS}, digits only`,
  );
}
