// RFC 9110 sections 5.6.2 (token), 5.6.4 (quoted-string) and 11.2 (auth-param, token68). All are anchored at lastIndex
// and linear in the length of the text.
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const END = "(?=[ \\t]*(?:,|$))";
const PARAM = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")${END}`, "y");
const SCHEME = new RegExp(`(${TOKEN})(?: +([A-Za-z0-9\\-._~+/]+=*)${END}|(?= )|${END})`, "y");
const SEPARATOR = /[ \t,]*/y;

const LONGEST_HEADER = 4_096;

/**
 * Reads the "error" attribute of each Bearer challenge in a `www-authenticate` header.
 *
 * Spec: RFC 9110 section 11.6.1 (challenges), RFC 6750 section 3 (the attribute).
 *
 * @param header - Value of the header, several challenges joined by commas.
 * @returns One entry per Bearer challenge, undefined for one without an error; empty when there is none, or when the
 * header is no list of challenges.
 */
export function readBearerErrors(header: string): readonly (string | undefined)[] {
  if (header.length > LONGEST_HEADER) return [];
  const errors: (string | undefined)[] = [];
  let scheme: string | undefined;
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
      const found = match(SCHEME);
      scheme = found?.[1]?.toLowerCase();
      // RFC 6750 section 3: a Bearer challenge has attributes; a token68 in their place is somebody's mistake.
      if (scheme === undefined || (scheme === "bearer" && found?.[2] !== undefined)) return [];
      if (scheme === "bearer") errors.push(undefined);
      continue;
    }
    if (scheme === undefined) return [];
    if (scheme !== "bearer" || param[1]?.toLowerCase() !== "error") continue;
    // RFC 6750 section 3: an attribute must not appear more than once.
    if (errors.at(-1) !== undefined) return [];
    errors[errors.length - 1] = param[2] ?? param[3]?.replace(/\\(.)/g, "$1");
  }
  return errors;
}
