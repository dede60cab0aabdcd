import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const page = readFileSync("docs/telemetry.md", "utf8");

/** Each name with the method of the port that it is handed to, as the sources have it. */
function measuredInSources(): string[] {
  const found = new Set<string>();
  for (const file of readdirSync("src", { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const source = readFileSync(`src/${file}`, "utf8");
    for (const [, method = "", name] of source.matchAll(
      /\.(count|record|startSpan)(?:\?\.)?\(\s*"(latchkey\.[^"]+)"/g,
    )) {
      found.add(`${method === "startSpan" ? "span" : method} ${name}`);
    }
  }
  return [...found].sort();
}

describe("docs/telemetry.md", () => {
  it("lists every measurement, by its name and kind, and no other", () => {
    const listed = [...page.matchAll(/^\| `(latchkey\.[^`]+)` \| (\w+) \|/gm)].map(
      ([, name, kind]) => `${kind} ${name}`,
    );
    expect(listed.length).toBeGreaterThan(10);
    expect(listed.sort()).toEqual(measuredInSources());
  });
});
