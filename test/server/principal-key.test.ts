import { Code, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { getPrincipal, principalKey, requirePrincipal } from "../../src/server/principal-key.js";
import { createPrincipal } from "../support/principals.js";

describe("getPrincipal()", () => {
  it("finds the caller in the context of a handler and of an interceptor", () => {
    const principal = createPrincipal();
    const values = createContextValues().set(principalKey, principal);
    expect(getPrincipal({ values })).toBe(principal);
    expect(getPrincipal({ contextValues: values })).toBe(principal);
  });

  it("gives undefined where there is none", () => {
    expect(getPrincipal({ values: createContextValues() })).toBeUndefined();
  });
});

describe("requirePrincipal()", () => {
  it("gives the caller", () => {
    const principal = createPrincipal();
    expect(requirePrincipal({ values: createContextValues().set(principalKey, principal) })).toBe(principal);
  });

  it("asks for credentials where there is none", () => {
    expect(() => requirePrincipal({ values: createContextValues() })).toThrow(
      expect.objectContaining({ code: Code.Unauthenticated }),
    );
  });
});
