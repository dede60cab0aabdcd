import type { ConnectError } from "@connectrpc/connect";

// RFC 9110 sections 5.6.2 (token), 5.6.4 (quoted-string) and 11.2 (auth-param, token68). All are anchored at lastIndex
// and linear in the length of the text.
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const END = "(?=[ \\t]*(?:,|$))";
const PARAM = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")${END}`, "y");
const SCHEME = new RegExp(`(${TOKEN})(?: +([A-Za-z0-9\\-._~+/]+=*)${END}|(?= )|${END})`, "y");
const SEPARATOR = /[ \t,]*/y;

const LONGEST_HEADER = 4_096;

/** The attributes of a challenge, by name in lower case. */
export type AuthChallenge = ReadonlyMap<string, string>;

/**
 * Reads the Bearer and DPoP challenges of a `www-authenticate` header. What they say means the same in both schemes, so
 * which of the two it was is left out.
 *
 * Spec: RFC 9110 section 11.6.1 (challenges), RFC 6750 section 3 and RFC 9449 section 7.1 (their attributes).
 *
 * @param header - Value of the header, several challenges joined by commas.
 * @returns The challenges in their order; empty when there is none of these schemes, or when the header is no list of
 * challenges.
 */
export function readAuthChallenges(header: string): readonly AuthChallenge[] {
  if (header.length > LONGEST_HEADER) return [];
  const challenges: AuthChallenge[] = [];
  let current: Map<string, string> | undefined;
  let position = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const found = pattern.exec(header) ?? undefined;
    if (found !== undefined) position = pattern.lastIndex;
    return found;
  };
  for (match(SEPARATOR); position < header.length; match(SEPARATOR)) {
    const param = match(PARAM);
    if (param === undefined) {
      const [, scheme, token68] = match(SCHEME) ?? [];
      if (scheme === undefined) return [];
      current = new Map();
      if (!/^(?:bearer|dpop)$/i.test(scheme)) continue;
      // RFC 6750 section 3: the challenge has attributes; a token68 in their place is somebody's mistake.
      if (token68 !== undefined) return [];
      challenges.push(current);
      continue;
    }
    const [, name = "", plain, quoted = ""] = param;
    // RFC 9110 section 11.2: an attribute must not appear more than once.
    if (current === undefined || current.has(name.toLowerCase())) return [];
    current.set(name.toLowerCase(), plain ?? quoted.replace(/\\(.)/g, "$1"));
  }
  return challenges;
}

/** Reads the "error" of each challenge in an error of a call; undefined for a challenge without one. */
export function readChallengeErrors({ metadata }: ConnectError): readonly (string | undefined)[] {
  return readAuthChallenges(metadata.get("www-authenticate") ?? "").map((challenge) => challenge.get("error"));
}
