import { describe, expect, it } from "vitest";
import { formatTable } from "../../../src/app/cli/table.js";

describe("formatTable()", () => {
  it("sets columns two spaces apart, and no space at the end of a line", () => {
    const rows = [
      ["a", "scheduled", "x"],
      ["long-name", "", ""],
    ];
    expect(formatTable(["NAME", "STATE", "END"], rows)).toBe(
      ["NAME       STATE      END", "a          scheduled  x", "long-name"].join("\n"),
    );
  });

  it("keeps each row on its line, whatever its cells hold", () => {
    expect(formatTable(["A"], [["x\ny\u001b[2J"]])).toBe("A\nx\\u{a}y\\u{1b}[2J");
  });
});
