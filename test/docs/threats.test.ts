import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const page = readFileSync("docs/threats.md", "utf8");
const [listed = "", unproved = ""] = page.split("## Not proved yet");
const ids = [...listed.matchAll(/^\| ([A-M]\d+) \|/gm)].map(([, id = ""]) => id);

/** Ids at the start of a test name: `it("A1: …")`, `it.each(…)("A1: …")`. */
function idsOfTests(): Set<string> {
  const found = new Set<string>();
  for (const file of readdirSync("test", { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".test.ts")) continue;
    for (const [, list = ""] of readFileSync(`test/${file}`, "utf8").matchAll(/["`]([A-M]\d+(?:, [A-M]\d+)*): /g)) {
      for (const id of list.split(", ")) found.add(id);
    }
  }
  return found;
}

describe("docs/threats.md", () => {
  it("lists each attack once", () => {
    expect(ids.length).toBeGreaterThan(100);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("names exactly those attacks as not proved that no test has the id of", () => {
    const proved = idsOfTests();
    expect([...unproved.matchAll(/[A-M]\d+/g)].map(([id]) => id)).toEqual(ids.filter((id) => !proved.has(id)));
  });

  it("is named by every test that carries an id", () => {
    const known = new Set(ids);
    expect([...idsOfTests()].filter((id) => !known.has(id))).toEqual([]);
  });
});
