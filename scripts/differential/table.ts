import { CLASSES } from "./classes.ts";

/** Writes the classes as a table of Markdown: what latchkey does, and which of the others do otherwise. */
export function formatTable(): string {
  const rows = CLASSES.map(
    ({ name, code, peers, why }) =>
      `| ${name} | ${code === undefined ? "accepts" : "refuses"} | ${peers.join(", ")} | ${why} |`,
  );
  return ["| A token | latchkey | otherwise | why |", "|---|---|---|---|", ...rows].join("\n");
}
