import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { chain } from "../../src/client/chain.js";
import { staticToken } from "../../src/client/static-token.js";
import { type AuthError, CredentialError, type TokenSourceCode, TokenSourceError } from "../../src/errors.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { TokenSource } from "../../src/token/token.js";
import { createDeferred, createScriptedSource, type ScriptedSource } from "../support/scripted-source.js";

const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  signal: new AbortController().signal,
};

function failing(error: unknown): ScriptedSource {
  const source = createScriptedSource();
  source.answer = () => {
    throw error;
  };
  return source;
}

const sourceError = (code: TokenSourceCode, retryAfterMs?: number): TokenSourceError =>
  new TokenSourceError(code, `said ${code}`, retryAfterMs === undefined ? {} : { retryAfterMs });
const absent = sourceError("ERR_TOKEN_SOURCE_UNAVAILABLE");

const failureOf = async (source: TokenSource, asked: Parameters<TokenSource["getToken"]>[0] = request) => {
  try {
    await source.getToken(asked);
  } catch (error) {
    return error as AuthError & { readonly retryAfterMs?: number };
  }
  throw new Error("a token was given");
};

describe("chain()", () => {
  it("gives the token of the first source and asks no other", async () => {
    const second = createScriptedSource();
    await expect(chain(staticToken("first"), second).getToken(request)).resolves.toMatchObject({ value: "first" });
    expect(second.requests).toHaveLength(0);
  });

  it.each([
    ["is unavailable", absent],
    ["fails with an error of its own", new Error("boom")],
    ["has no key", new CredentialError("ERR_KEY_MISSING", "no file")],
    ["has no credential", new CredentialError("ERR_CREDENTIAL_NOT_FOUND", "none")],
  ])("moves on from a source that %s", async (_, error) => {
    await expect(chain(failing(error), staticToken("next")).getToken(request)).resolves.toMatchObject({
      value: "next",
    });
  });

  it.each([
    sourceError("ERR_TOKEN_SOURCE_REFUSED"),
    sourceError("ERR_TOKEN_SOURCE_INVALID"),
    sourceError("ERR_TOKEN_ORIGIN"),
    new CredentialError("ERR_KEY_PERMISSIONS", "open to others. Run: chmod 600 key.pem"),
    new CredentialError("ERR_KEY_INVALID", "damaged"),
  ])("stops at $code: another identity would hide what has to be mended", async (error) => {
    const last = createScriptedSource();
    const failure = await failureOf(chain(failing(absent), failing(error), last));
    expect(failure).toMatchObject({ name: error.name, code: error.code, cause: error });
    expect(failure.message).toContain(error.message);
    expect(failure.message).toContain("token source 2 of 3, after 1: ERR_TOKEN_SOURCE_UNAVAILABLE");
    expect(last.requests).toHaveLength(0);
  });

  it("lists by code what each said when none has a token", async () => {
    const failure = await failureOf(chain(failing(absent), failing(new CredentialError("ERR_KEY_MISSING", "no file"))));
    expect(failure.code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
    expect(failure.message).toBe(
      "None of the token sources has a token: 1: ERR_TOKEN_SOURCE_UNAVAILABLE, 2: ERR_KEY_MISSING",
    );
    expect((failure.cause as AggregateError).errors).toHaveLength(2);
  });

  it("passes on the shortest wait when every source asks for one", async () => {
    const wait = (ms: number) => failing(sourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", ms));
    expect((await failureOf(chain(wait(9_000), wait(4_000)))).retryAfterMs).toBe(4_000);
    expect((await failureOf(chain(wait(9_000), failing(absent)))).retryAfterMs).toBeUndefined();
    const busy = sourceError("ERR_TOKEN_SOURCE_REFUSED", 7_000);
    expect((await failureOf(chain(wait(9_000), failing(busy)))).retryAfterMs).toBe(7_000);
  });

  it("begins with the first source each time", async () => {
    const first = failing(absent);
    const source = chain(first, staticToken("second"));
    await source.getToken(request);
    first.answer = undefined;
    await expect(source.getToken(request)).resolves.toMatchObject({ value: "token-1" });
  });

  it("tells each source which token was rejected", async () => {
    const [first, second] = [failing(absent), createScriptedSource()];
    await chain(first, second).getToken({ ...request, rejected: "old" });
    expect([first, second].map(({ requests }) => requests[0]?.rejected)).toEqual(["old", "old"]);
  });

  it("K11: ends with an abort, and asks no further source", async () => {
    const abort = new AbortController();
    const slow = createScriptedSource();
    const { promise, reject } = createDeferred<never>();
    slow.answer = () => promise;
    const last = createScriptedSource();
    const asked = { ...request, signal: abort.signal };
    const tokens = [chain(slow, last), chain(slow)].map((source) => source.getToken(asked));
    abort.abort(new Error("enough"));
    reject(absent);
    for (const token of tokens) await expect(token).rejects.toThrow("enough");
    await expect(chain(last).getToken(asked)).rejects.toThrow("enough");
    expect(last.requests).toHaveLength(0);
  });

  it("K14: keeps tokens apart by what each of its sources tells callers apart by", async () => {
    const user = createContextKey("nobody");
    const perUser: TokenSource = {
      getToken: async ({ contextValues }) => ({
        value: `for-${contextValues?.get(user)}`,
        expiresAtMs: Date.now() + 60_000,
      }),
      cacheKey: ({ contextValues }) => contextValues?.get(user) ?? "",
    };
    const source = chain(failing(absent), perUser);
    const as = (name: string) => ({ ...request, contextValues: createContextValues().set(user, name) });
    const tokens = cachedTokens(source);
    const given = await Promise.all(["alice", "bob", "alice"].map((name) => tokens.getToken(as(name))));
    expect(given.map(({ value }) => value)).toEqual(["for-alice", "for-bob", "for-alice"]);
  });

  it("K14: has keys that no two sets of sources share", () => {
    const named = (name: string): TokenSource => ({ ...staticToken("abc"), cacheKey: () => name });
    const keyOf = (...names: readonly string[]) => chain(...names.map(named)).cacheKey?.(request);
    const keys = [
      keyOf("a", "b"),
      keyOf("b", "a"),
      keyOf('a","b'),
      keyOf('a","b', "c"),
      keyOf("a", 'b","c'),
      keyOf("a,b"),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("K14: does not let a source without a key see who calls", async () => {
    const user = createContextKey("nobody");
    const careless = createScriptedSource();
    careless.answer = ({ contextValues }) => ({ value: contextValues?.get(user) ?? "none", expiresAtMs: 9e15 });
    const asked = { ...request, contextValues: createContextValues().set(user, "alice") };
    expect(await failureOf(chain(careless), asked)).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("K2: is bound to the audience of each call only if all of its sources are", () => {
    const bound = createScriptedSource({ audienceBound: true });
    expect(chain(bound, bound).audienceBound).toBe(true);
    expect(chain(bound, staticToken("abc")).audienceBound).toBeUndefined();
  });

  it("cools down after a refusal, through the cache", async () => {
    const clock = createManualClock();
    const first = failing(sourceError("ERR_TOKEN_SOURCE_REFUSED"));
    const tokens = cachedTokens(chain(first, staticToken("second")), { clock });
    await expect(tokens.getToken(request)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
    await expect(tokens.getToken(request)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
    expect(first.requests).toHaveLength(1);
  });

  it("refuses what is no chain", () => {
    expect(() => chain()).toThrow("chain() needs at least one token source");
    expect(() => chain(staticToken("a"), undefined as unknown as TokenSource)).toThrow(
      "sources[1] must be a token source, got undefined",
    );
  });
});
