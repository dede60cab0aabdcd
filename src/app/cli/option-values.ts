import { InvalidArgumentError } from "commander";
import { isJwsAlgorithm, JWS_ALGORITHMS, type JwsAlgorithm } from "../../token/algorithms.js";
import { isName, OPERATOR_ROLE, ROLES } from "../names.js";

const DECIMAL = /^\d{1,9}(\.\d{1,3})?$/;

/** A name of an organisation, a queue or a credential. */
export function parseName(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError("It must be 1 to 64 letters, digits, dots, dashes, underscores.");
  return text;
}

/** A TCP port; 0 lets the system choose. */
export function parsePort(text: string): number {
  const port = parseCount(text);
  if (port > 65_535) throw new InvalidArgumentError("It must be a port from 0 to 65535.");
  return port;
}

/** A whole number, 0 or greater. */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number, 0 or greater.");
  return Number(text);
}

/** A whole number greater than 0. */
export function parsePositiveCount(text: string): number {
  const count = parseCount(text);
  if (count === 0) throw new InvalidArgumentError("It must be a whole number greater than 0.");
  return count;
}

/** A number of seconds greater than 0, fractions allowed. */
export function parseSeconds(text: string): number {
  // Number() alone would take "", "0x10" and " 5 ".
  if (!DECIMAL.test(text) || Number(text) === 0)
    throw new InvalidArgumentError("It must be a positive number of seconds.");
  return Number(text);
}

/** Lifetime of tokens in whole seconds. They begin 10 s in the past, so that a clock that is behind accepts them. */
export function parseLifetime(text: string): number {
  const seconds = parseCount(text);
  if (seconds <= 10 || seconds > 86_400) throw new InvalidArgumentError("It must be from 11 to 86400 seconds.");
  return seconds;
}

/** Role names of a credential, separated by commas. */
export function parseRoles(text: string): readonly string[] {
  return parseRolesOf(ROLES, text);
}

/** Role names of a token of the server's own issuer, separated by commas. */
export function parseTokenRoles(text: string): readonly string[] {
  return parseRolesOf([...ROLES, OPERATOR_ROLE], text);
}

function parseRolesOf(known: readonly string[], text: string): readonly string[] {
  const roles = [...new Set(text.split(",").map((role) => role.trim()))];
  if (!roles.every((role) => known.includes(role))) {
    throw new InvalidArgumentError(`It must be a list of ${known.join(", ")}, separated by commas.`);
  }
  return roles;
}

/** Identifier of whom a credential stands for. */
export function parsePrincipal(text: string): string {
  if (!/^[A-Za-z0-9_.@:-]{1,128}$/.test(text)) {
    throw new InvalidArgumentError("It must be 1 to 128 letters, digits and _ . @ : -");
  }
  return text;
}

/** Name of a signature algorithm. */
export function parseAlgorithm(text: string): JwsAlgorithm {
  if (!isJwsAlgorithm(text)) throw new InvalidArgumentError(`It must be one of ${JWS_ALGORITHMS.join(", ")}.`);
  return text;
}

/** One `KEY=VALUE`, added to those before it. */
export function collectPair(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const end = text.indexOf("=");
  if (end < 1) throw new InvalidArgumentError("It must be KEY=VALUE.");
  return new Map([...before, [text.slice(0, end), text.slice(end + 1)]]);
}

/** An absolute http or https URL without path, query or user, given as its origin. */
export function parseServerUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError("It must be a URL such as http://127.0.0.1:8090.");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new InvalidArgumentError("It must be an http or https URL.");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || url.pathname !== "/") {
    throw new InvalidArgumentError("It must be a URL of scheme, host and port alone.");
  }
  return url.origin;
}
