import { assertNonEmptyStrings } from "../lib/options.js";
import { isPlainHost } from "./plain-host.js";

/** A domain that key sets may be fetched from, in the spelling of the URL standard. */
export interface AllowedDomain {
  /** The host, without a trailing dot. */
  readonly host: string;
  /** The only port; undefined: any. */
  readonly port: number | undefined;
}

const ENTRY = /^(?<host>\[[^\]]*\]|[^:[\]]*)(?::(?<port>[1-9]\d{0,4}))?$/;
const DEFAULT_PORTS: ReadonlyMap<string, number> = new Map([
  ["https:", 443],
  ["http:", 80],
]);

/**
 * Reads a list of domains; undefined, which allows any, stays undefined.
 *
 * An entry is a host name, which stands for itself and all names below it, or an address, which stands for itself; with
 * a port, such as `idp.example:8443`, for that port alone. Upper case, a trailing dot and names that are not ASCII are
 * brought into one form.
 *
 * @param field - What the list is called in error messages, such as `options.allowedDomains`.
 * @throws TypeError naming the entry that cannot be used. An empty list is refused: it would allow nothing.
 */
export function parseAllowedDomains(
  list: readonly string[] | undefined,
  field: string,
): readonly AllowedDomain[] | undefined {
  if (list === undefined) return undefined;
  assertNonEmptyStrings(field, list);
  return list.map((entry, index) => parseEntry(entry, `${field}[${index}]`));
}

/** Tells whether a list allows the host and port of a URL. */
export function isAllowedHost(domains: readonly AllowedDomain[], url: URL): boolean {
  const host = withoutDot(url.hostname);
  const port = url.port === "" ? DEFAULT_PORTS.get(url.protocol) : Number(url.port);
  return domains.some((domain) => isWithin(host, domain) && (domain.port === undefined || domain.port === port));
}

/**
 * Gives the list that allows what both lists allow; a list that is undefined allows everything. Lists that have nothing
 * in common give an empty one, which allows nothing.
 */
export function intersectDomains(
  one: readonly AllowedDomain[] | undefined,
  other: readonly AllowedDomain[] | undefined,
): readonly AllowedDomain[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.flatMap((left) => other.flatMap((right) => intersect(left, right)));
}

function intersect(left: AllowedDomain, right: AllowedDomain): readonly AllowedDomain[] {
  if (left.port !== undefined && right.port !== undefined && left.port !== right.port) return [];
  const narrower = isWithin(left.host, right) ? left : isWithin(right.host, left) ? right : undefined;
  return narrower === undefined ? [] : [{ ...narrower, port: left.port ?? right.port }];
}

function isWithin(host: string, domain: AllowedDomain): boolean {
  // At a dot: `evilissuer.example` is not below `issuer.example`. Below an address there is no host that can be parsed.
  return host === domain.host || host.endsWith(`.${domain.host}`);
}

function parseEntry(entry: string, field: string): AllowedDomain {
  if (entry.includes("*")) {
    throw new TypeError(`${field} must not contain "*": a host name stands for all names below it too`);
  }
  const { host: written = "", port } = ENTRY.exec(entry)?.groups ?? {};
  const parsed = URL.parse(`https://${written}/`);
  if (written === "" || parsed === null || !isPlainHost(written, parsed.hostname) || Number(port ?? 1) > 65_535) {
    throw new TypeError(
      `${field} must be a host name or address with or without a port, such as "idp.example", "idp.example:8443" or "[2001:db8::1]"`,
    );
  }
  return { host: withoutDot(parsed.hostname), port: port === undefined ? undefined : Number(port) };
}

function withoutDot(hostname: string): string {
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}
