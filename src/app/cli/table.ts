import { alignColumns } from "../../lib/align-columns.js";
import { toTerminalText } from "./terminal-text.js";

/** Sets rows in columns under headings, two spaces apart. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  return alignColumns([headings, ...rows.map((row) => row.map(toTerminalText))]);
}
