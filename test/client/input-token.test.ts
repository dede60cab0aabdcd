import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { createInputToken } from "../../src/client/input-token.js";
import { staticToken } from "../../src/client/static-token.js";
import { CredentialError } from "../../src/errors.js";
import type { TokenSource } from "../../src/token/token.js";
import { createScriptedSource } from "../support/scripted-source.js";

const ISSUER = "https://login.example/tenant";
const user = createContextKey("nobody");
const { signal } = new AbortController();
const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  contextValues: createContextValues().set(user, "alice"),
  rejected: "what the service has rejected",
  signal: new AbortController().signal,
};

describe("createInputToken()", () => {
  it("asks for a token that the authorization server takes, and ends with the signal given", async () => {
    const source = Object.assign(createScriptedSource(), { cacheKey: () => "one" });
    await expect(createInputToken("assertion", source, ISSUER).obtain(request, signal)).resolves.toBe("token-1");
    expect(source.requests).toEqual([
      { audience: ISSUER, origin: "https://login.example", contextValues: request.contextValues, signal },
    ]);
    expect(source.requests[0]?.signal).toBe(signal);
  });

  it("K14: has the key of the source, which sees what the call carries", () => {
    const perUser: TokenSource = {
      ...staticToken("abc"),
      cacheKey: ({ contextValues }) => contextValues?.get(user) ?? "",
    };
    expect(createInputToken("assertion", perUser, ISSUER).cacheKey(request)).toBe("alice");
    expect(createInputToken("assertion", createScriptedSource(), ISSUER).cacheKey(request)).toBe(ISSUER);
  });

  it("K14: fails a source that looks at who calls and has no key", async () => {
    const careless = createScriptedSource();
    careless.answer = ({ contextValues }) => ({ value: contextValues?.get(user) ?? "none", expiresAtMs: 9e15 });
    await expect(createInputToken("assertion", careless, ISSUER).obtain(request, signal)).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
  });

  it("gives the source's own error of latchkey, and makes others one that may pass", async () => {
    const source = createScriptedSource();
    const input = createInputToken("assertion", source, ISSUER);
    const broken = new CredentialError("ERR_KEY_MISSING", "no file");
    source.answer = () => Promise.reject(broken);
    await expect(input.obtain(request, signal)).rejects.toBe(broken);
    source.answer = () => Promise.reject(new Error("boom"));
    await expect(input.obtain(request, signal)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    for (const value of ["", undefined]) {
      source.answer = () => ({ value: value as string, expiresAtMs: 9e15 });
      await expect(input.obtain(request, signal)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    }
  });

  it("has a cache replace the value that was refused", async () => {
    const input = createInputToken("assertion", cachedTokens(createScriptedSource()), ISSUER);
    await expect(input.obtain(request, signal)).resolves.toBe("token-1");
    input.disown("another value");
    await expect(input.obtain(request, signal)).resolves.toBe("token-1");
    input.disown("token-1");
    await expect(input.obtain(request, signal)).resolves.toBe("token-2");
  });

  it("refuses what is no source, naming the option", () => {
    expect(() => createInputToken("assertion", {} as TokenSource, ISSUER)).toThrow(
      "assertion must be a token source, got object",
    );
  });
});
