import { describe, expect, it } from "vitest";
import { alignColumns } from "../../src/lib/align-columns.js";

describe("alignColumns()", () => {
  it("makes each column as wide as its widest cell, and ends no line in spaces", () => {
    const rows = [
      ["A", "LONG HEADING", "C"],
      ["first", "b", "a long last cell"],
      ["x", "", ""],
    ];
    expect(alignColumns(rows)).toBe(
      ["A      LONG HEADING  C", "first  b             a long last cell", "x"].join("\n"),
    );
  });

  it("takes rows of any length, and none", () => {
    expect(alignColumns([["a"], ["bb", "c"]])).toBe("a\nbb  c");
    expect(alignColumns([])).toBe("");
  });
});
