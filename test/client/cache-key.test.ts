import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { cacheKeyOf, requestFor } from "../../src/client/cache-key.js";
import type { TokenSource } from "../../src/token/token.js";
import { createScriptedSource } from "../support/scripted-source.js";

const user = createContextKey("nobody");
const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  contextValues: createContextValues().set(user, "alice"),
  signal: new AbortController().signal,
};
const keyed = (cacheKey: NonNullable<TokenSource["cacheKey"]>): TokenSource =>
  Object.assign(createScriptedSource(), { cacheKey });

describe("cacheKeyOf()", () => {
  it("gives the source's own key, or else the audience", () => {
    expect(cacheKeyOf(createScriptedSource(), request)).toBe("https://jobs.example");
    expect(
      cacheKeyOf(
        keyed(({ contextValues }) => contextValues?.get(user) ?? ""),
        request,
      ),
    ).toBe("alice");
  });

  it("K14: refuses a key that is no text", () => {
    for (const key of [undefined, null, 7, {}]) {
      expect(() =>
        cacheKeyOf(
          keyed(() => key as string),
          request,
        ),
      ).toThrow(expect.objectContaining({ code: "ERR_TOKEN_SOURCE_INVALID" }));
    }
  });
});

describe("requestFor()", () => {
  it("shows what the call carries to a source that tells callers apart", () => {
    expect(
      requestFor(
        keyed(() => ""),
        request,
      ).contextValues?.get(user),
    ).toBe("alice");
  });

  it("K14: fails a source that reads what the call carries and has no key", () => {
    const asked = requestFor(createScriptedSource(), request);
    expect(asked).toMatchObject({ audience: request.audience, origin: request.origin, signal: request.signal });
    expect(() => asked.contextValues?.get(user)).toThrow(expect.objectContaining({ code: "ERR_TOKEN_SOURCE_INVALID" }));
  });
});
