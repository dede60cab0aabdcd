import { describe, expect, it } from "vitest";
import { toTerminalText } from "../../../src/app/cli/terminal-text.js";

describe("toTerminalText()", () => {
  it("L2: shows controls and marks that reorder text instead of sending them", () => {
    expect(toTerminalText("a\r\nb\t\u001b]0;x\u0007\u009b1m\u202eevil\u2028")).toBe(
      "a\\u{d}\\u{a}b\\u{9}\\u{1b}]0;x\\u{7}\\u{9b}1m\\u{202e}evil\\u{2028}",
    );
  });

  it("leaves letters of any language alone", () => {
    expect(toTerminalText("Grüße, 日本, שלום, 🎉")).toBe("Grüße, 日本, שלום, 🎉");
  });
});
