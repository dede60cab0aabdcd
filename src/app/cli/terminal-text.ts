// C0 and C1 controls and the marks that reorder text: what a server or another submitter wrote must not drive the
// reader's terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Makes text of others safe to show on one line of a terminal: each control character becomes `\u{…}`. */
export function toTerminalText(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}
