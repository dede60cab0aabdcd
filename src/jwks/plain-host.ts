// 。 counts as a dot in host names.
const HIDDEN_MEANING = /[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\\/?#@%。]/u;
// The one at the end that a trailing dot leaves is the root.
const EMPTY_LABEL = /^\.|\.\./;

/**
 * Tells whether a host is written as it is meant, so that a person and every program that reads it see the one host.
 *
 * The URL parser takes `0x7f.1`, `127.1` and `2130706433` for 127.0.0.1, drops what cannot be seen, decodes `%2e`, and
 * makes ASCII of letters that look like it. Here an address and an ASCII name must be written as the parser gives
 * them, but for upper case. A name in another script must stay one, in composed form.
 *
 * Spec: WHATWG URL, host parsing; UTS 46.
 *
 * @param written - The host as it stands in the text, without a port.
 * @param hostname - What the URL parser made of it.
 */
export function isPlainHost(written: string, hostname: string): boolean {
  if (HIDDEN_MEANING.test(written) || written.normalize("NFKC") !== written || EMPTY_LABEL.test(written)) return false;
  const [labels, parsed] = [written.split("."), hostname.split(".")];
  return labels.length === parsed.length && labels.every((label, index) => isPlainLabel(label, parsed[index] ?? ""));
}

function isPlainLabel(written: string, parsed: string): boolean {
  return /^\p{ASCII}*$/u.test(written) ? written.toLowerCase() === parsed : parsed.startsWith("xn--");
}
