import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeysUnavailableError, TokenRejectedError } from "../../src/errors.js";
import {
  assertJson,
  type DocumentRequest,
  fetchDocument,
  retryDelayMs,
  unusableAnswer,
} from "../../src/jwks/fetch-document.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

// What holds for every document is tested with key sets, in fetch.test.ts.
describe("fetchDocument()", () => {
  let server: JwksServer;
  let clock: ManualClock;
  beforeEach(async () => {
    server = await startJwksServer();
    clock = createManualClock();
  });
  afterEach(() => server[Symbol.asyncDispose]());

  function ask<T>(
    read: (response: Response, signal: AbortSignal) => Promise<T>,
    changes: Partial<DocumentRequest> = {},
  ): Promise<T> {
    const request: DocumentRequest = {
      url: server.url,
      subject: "issuer metadata",
      headers: { accept: "application/json", "x-name": "value" },
      timeoutMs: 3_000,
      maxRedirects: 0,
      rules: { allowLoopbackHttp: true, allowedDomains: undefined },
      fetch: (url, init) => globalThis.fetch(url, init),
      clock,
      ...changes,
    };
    return fetchDocument(request, read, new AbortController().signal);
  }
  const status = async (response: Response): Promise<number> => response.status;

  it("sends the headers, and gives what is read of the answer", async () => {
    server.answer({ body: { a: 1 } });
    expect(await ask(async (response) => response.json())).toEqual({ a: 1 });
    expect(server.requests[0]?.headers).toMatchObject({ accept: "application/json", "x-name": "value" });
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([200, 204, 302, 304, 404])("leaves it to the reader what status %i means", async (code) => {
    server.answer({ status: code });
    expect(await ask(status)).toBe(code);
  });

  it.each([
    [{ status: 500 }, "was answered with status 500"],
    [{ reset: true }, "failed"],
  ])("H6: names what was asked for in the error of %j", async (answer, what) => {
    server.answer(answer);
    await expect(ask(status)).rejects.toMatchObject({
      code: "ERR_KEYS_UNAVAILABLE",
      message: `The request for the issuer metadata ${what}`,
    });
  });

  it("H11: ends the reading at the deadline", async () => {
    const reading = ask(
      (_, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const refused = expect(reading).rejects.toMatchObject({
      code: "ERR_KEYS_UNAVAILABLE",
      message: "The request for the issuer metadata was not answered in time",
    });
    await server.reached(1);
    await clock.advance(3_000);
    await refused;
  });

  it("passes on the refusal of the reader, and calls anything else that it throws a failure that may pass", async () => {
    const refusal = unusableAnswer("key set", "was odd");
    await expect(ask(() => Promise.reject(refusal))).rejects.toBe(refusal);
    const cause = new TypeError("terminated");
    await expect(ask(() => Promise.reject(cause))).rejects.toMatchObject({ code: "ERR_KEYS_UNAVAILABLE", cause });
  });
});

describe("assertJson()", () => {
  it("H13: refuses another status and another type by the name of what was asked for", () => {
    const json = { "content-type": "application/json" };
    expect(() => assertJson(new Response("{}", { headers: json }), "key set")).not.toThrow();
    expect(() => assertJson(new Response("{}", { status: 404, headers: json }), "key set")).toThrow(
      "The request for the key set was answered with status 404",
    );
    expect(() => assertJson(new Response("{}"), "issuer metadata")).toThrow(
      "The request for the issuer metadata was answered with another type than JSON",
    );
  });
});

describe("retryDelayMs()", () => {
  it("says when another try is of use, and how long it has to wait", () => {
    expect(retryDelayMs(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", ""))).toBe(0);
    expect(retryDelayMs(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "", { retryAfterMs: 7 }))).toBe(7);
    expect(retryDelayMs(new KeysUnavailableError("ERR_KEYS_INVALID", ""))).toBeUndefined();
    expect(retryDelayMs(new TokenRejectedError("ERR_KEY_NOT_FOUND", ""))).toBeUndefined();
    expect(retryDelayMs(new Error("bug"))).toBeUndefined();
  });
});
