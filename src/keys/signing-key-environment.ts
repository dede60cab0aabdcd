import { ConfigError, CredentialError } from "../errors.js";
import { typeName } from "../lib/options.js";
import { parseJsonObject } from "./json-object.js";

/** Names and values of environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const KEY = "LATCHKEY_PRIVATE_KEY";
const PATH = "LATCHKEY_PRIVATE_KEY_PATH";
const PASSPHRASE = "LATCHKEY_PRIVATE_KEY_PASSPHRASE";

/** Where the environment says that the signing key is. */
export interface SigningKeyEnvironment {
  /** The key itself, or the file that has it. */
  readonly source: { readonly pem: string } | { readonly path: string };
  /** Opens it when it is encrypted; undefined when not set or empty. */
  readonly passphrase: string | undefined;
  /** Says which variables an error is about. */
  explain(error: CredentialError): CredentialError;
}

/**
 * Reads where the signing key is from `LATCHKEY_PRIVATE_KEY` (PEM or JWK), `LATCHKEY_PRIVATE_KEY_PATH` and
 * `LATCHKEY_PRIVATE_KEY_PASSPHRASE`. A variable that is empty counts as not set. Of the key, `\n` as two characters
 * counts as a line break: many platforms keep variables in one line.
 *
 * @throws CredentialError `ERR_KEY_MISSING` when neither the key nor the path is set.
 * @throws ConfigError `ERR_CONFIG_INVALID` when both are.
 * @throws TypeError if `env` is no object, or a variable is no text.
 */
export function readSigningKeyEnvironment(env: Environment): SigningKeyEnvironment {
  if (typeof env !== "object" || env === null) throw new TypeError(`env must be an object, got ${typeName(env)}`);
  const key = readVariable(env, KEY);
  const path = readVariable(env, PATH);
  const passphrase = readVariable(env, PASSPHRASE);
  if (isSet(key) && isSet(path)) {
    throw new ConfigError("ERR_CONFIG_INVALID", `${KEY} and ${PATH} are both set: unset one of them`);
  }
  const explain = (variable: string) => (error: CredentialError) =>
    new CredentialError(error.code, `${variable}: ${error.message}${aboutPassphrase(error, passphrase)}`, {
      cause: error,
    });
  // A blank may be a passphrase.
  const opener = passphrase === "" ? undefined : passphrase;
  if (isSet(key)) return { source: { pem: restoreLineBreaks(key) }, passphrase: opener, explain: explain(KEY) };
  if (isSet(path)) return { source: { path }, passphrase: opener, explain: explain(PATH) };
  throw new CredentialError("ERR_KEY_MISSING", describeMissing(key, path));
}

function readVariable(env: Environment, name: string): string | undefined {
  const value: unknown = env[name];
  if (value === undefined || typeof value === "string") return value;
  throw new TypeError(`env.${name} must be a string, got ${typeName(value)}`);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== "";
}

function describeMissing(key: string | undefined, path: string | undefined): string {
  const help = `put the private key into ${KEY}, or the name of its file into ${PATH}`;
  const empty = [key !== undefined && KEY, path !== undefined && PATH].filter((name) => name !== false);
  if (empty.length === 0) return `Neither ${KEY} nor ${PATH} is set: ${help}`;
  return `${empty.join(" and ")} ${empty.length === 1 ? "is" : "are"} set, but empty: ${help}`;
}

function aboutPassphrase({ code }: CredentialError, passphrase: string | undefined): string {
  if (code !== "ERR_KEY_PASSPHRASE") return "";
  if (passphrase === undefined) return `; ${PASSPHRASE} is not set`;
  return passphrase === "" ? `; ${PASSPHRASE} is empty` : `; see ${PASSPHRASE}`;
}

function restoreLineBreaks(text: string): string {
  // JSON has escapes of its own.
  if (parseJsonObject(text) !== undefined) return text;
  return text.replaceAll(String.raw`\r`, "").replaceAll(String.raw`\n`, "\n");
}
