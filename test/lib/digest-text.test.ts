import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestText } from "../../src/lib/digest-text.js";

describe("digestText()", () => {
  it("gives the digest that RFC 7636 appendix B and RFC 9449 section 7.1 print", async () => {
    expect(await digestText("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
      "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    );
    expect(await digestText("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")).toBe(
      "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    );
  });

  it("hashes the bytes of UTF-8, of a long text and of an empty one", async () => {
    for (const text of ["", "ключ 🔑", "x".repeat(100_000)]) {
      expect(await digestText(text)).toBe(createHash("sha256").update(text, "utf8").digest("base64url"));
    }
  });
});
