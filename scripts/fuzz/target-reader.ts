/** What a URL names, without query and fragment. */
interface Target {
  readonly origin: string;
  readonly path: string;
  /** Whether it keeps to RFC 3986, so that all who read it read the same. */
  readonly isPlain: boolean;
}

const VISIBLE = /^[\x21-\x5b\x5d-\x7e]+$/;
const PARTS = /^(https?):\/\/([^/?#]*)([^?#]*)/;
// Names alone: a host whose last label begins with a digit may be an address, which has many spellings.
const AUTHORITY = /^((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*\.?)(?::(\d*))?$/;
const PLAIN_PATH = /^(?:[\w\-.~!$&'()*+,;=:@/]|%[0-9a-f]{2})*$/i;
const DEFAULT_PORTS = { http: 80, https: 443 };

/**
 * Compares "htu" with the URL of a call. Written from RFC 9449 section 4.3 and RFC 3986, and without the URL parser that
 * the verifier uses.
 *
 * @param origin - By which callers know the service, if it is not that of the URL.
 * @returns `doubtful` when one of them is no URI by RFC 3986 and yet could be read as the same.
 */
export function compareTargets(
  claimed: string,
  url: string,
  origin: string | undefined,
): "same" | "different" | "doubtful" {
  const claim = readTarget(claimed);
  if (claim === undefined) return "different";
  const call = readTarget(url);
  // Behind an origin of its own, the rest of the URL is as the server gives it.
  if (call === undefined) return origin === undefined ? "different" : "doubtful";
  if (claim.origin !== (origin ?? call.origin) || claim.path !== call.path) return "different";
  return claim.isPlain && call.isPlain ? "same" : "doubtful";
}

function readTarget(url: string): Target | undefined {
  if (!VISIBLE.test(url)) return undefined;
  // The scheme is all that may be in either case here, and the path must stay as it is.
  const text = url.replace(/^https?/i, (scheme) => scheme.toLowerCase());
  const [, scheme, authority = "", path = ""] = PARTS.exec(text) ?? [];
  const [, host, port = ""] = AUTHORITY.exec(respellOctets(authority).toLowerCase()) ?? [];
  if ((scheme !== "http" && scheme !== "https") || host === undefined || Number(port) > 65_535) return undefined;
  const number = port === "" ? DEFAULT_PORTS[scheme] : Number(port);
  return {
    origin: `${scheme}://${host}${number === DEFAULT_PORTS[scheme] ? "" : `:${number}`}`,
    path: removeDots(respellOctets(path).replace(/["<>[\]^`{|}]/g, escapeOctet)),
    isPlain: PLAIN_PATH.test(path),
  };
}

/** RFC 3986 section 6.2.2: what need not be escaped is not, and the rest is written in capitals. */
function respellOctets(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (octet, hex: string) => {
    const character = String.fromCharCode(Number(`0x${hex}`));
    return /[\w\-.~]/.test(character) ? character : octet.toUpperCase();
  });
}

function escapeOctet(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** RFC 3986 section 5.2.4. */
function removeDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  segments.forEach((segment, at) => {
    const isDots = segment === "." || segment === "..";
    if (segment === "..") kept.pop();
    if (!isDots) kept.push(segment);
    else if (at === segments.length - 1) kept.push("");
  });
  return `/${kept.join("/")}`;
}
