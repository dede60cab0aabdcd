import { describe, expect, it } from "vitest";
import { createDpopNonces } from "../../src/client/dpop-nonces.js";

const given = (nonce: string): Headers => new Headers({ "dpop-nonce": nonce });

describe("createDpopNonces()", () => {
  it("keeps the latest nonce of each server", () => {
    const nonces = createDpopNonces();
    nonces.note("https://a.example", given("a1"));
    nonces.note("https://b.example", given("b1"));
    nonces.note("https://a.example", given("a2"));
    nonces.note("https://a.example", new Headers());
    expect(nonces.get("https://a.example")).toBe("a2");
    expect(nonces.get("https://b.example")).toBe("b1");
    expect(nonces.get("https://c.example")).toBeUndefined();
  });

  it.each(["", "two words", 'quo"te', "back\\slash", "caf\u00e9", "a".repeat(1_025)])(
    "takes no nonce from %j",
    (nonce) => {
      const nonces = createDpopNonces();
      nonces.note("https://a.example", given("a1"));
      nonces.note("https://a.example", given(nonce));
      expect(nonces.get("https://a.example")).toBe("a1");
    },
  );

  it("takes none from two headers, and one of 1,024 characters", () => {
    const nonces = createDpopNonces();
    const two = given("a1");
    two.append("dpop-nonce", "a2");
    nonces.note("https://a.example", two);
    expect(nonces.get("https://a.example")).toBeUndefined();
    nonces.note("https://a.example", given("a".repeat(1_024)));
    expect(nonces.get("https://a.example")).toHaveLength(1_024);
  });

  it("remembers 256 servers", () => {
    const nonces = createDpopNonces();
    for (let index = 0; index <= 256; index++) nonces.note(`https://s${index}.example`, given(`n${index}`));
    expect(nonces.get("https://s0.example")).toBeUndefined();
    expect(nonces.get("https://s1.example")).toBe("n1");
    expect(nonces.get("https://s256.example")).toBe("n256");
  });
});
