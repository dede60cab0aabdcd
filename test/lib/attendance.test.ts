import { describe, expect, it } from "vitest";
import { attend, isUnattended, markUnattended } from "../../src/lib/attendance.js";
import type { Clock } from "../../src/lib/clock.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { startAuthorizationServer, tokenAnswer } from "../support/scripted-authorization-server.js";
import { startTypescript } from "../support/typescript-process.js";

/** Gives the URL of a port that nobody listens at any more. */
async function closedUrl(): Promise<string> {
  await using server = await startAuthorizationServer();
  return server.issuer;
}

/** Has a process wait, and gives what it has printed when it ends by itself. */
async function linesOf(way: string, url: string): Promise<string[]> {
  const child = startTypescript("waiting-process.ts", way, url);
  const lines: string[] = [];
  const ended = async (): Promise<void> => {
    for (;;) lines.push(await child.nextLine());
  };
  await expect(ended()).rejects.toThrow("has ended");
  return lines;
}

/** A clock that counts what keeps the process alive. */
function createHoldingClock(): Clock & { readonly holds: number } {
  let holds = 0;
  return {
    ...createManualClock(),
    keepAlive() {
      holds++;
      return { [Symbol.dispose]: () => void holds-- };
    },
    get holds() {
      return holds;
    },
  };
}

describe("attend()", () => {
  it("gives what the work gives, and keeps the process alive until then", async () => {
    const clock = createHoldingClock();
    const work = Promise.withResolvers<string>();
    const waiting = attend(work.promise, clock, new AbortController().signal);
    expect(clock.holds).toBe(1);
    work.resolve("result");
    expect(await waiting).toBe("result");
    expect(clock.holds).toBe(0);
    await expect(attend(Promise.reject(new Error("failed")), clock)).rejects.toThrow("failed");
    expect(clock.holds).toBe(0);
  });

  it("keeps nothing alive for work that nobody waits for", async () => {
    const clock = createHoldingClock();
    const { signal } = new AbortController();
    expect(isUnattended(signal)).toBe(false);
    const work = attend(Promise.resolve(1), clock, markUnattended(signal));
    expect([isUnattended(signal), clock.holds]).toEqual([true, 0]);
    expect(await work).toBe(1);
  });

  it("serves with a clock that can keep nothing alive", async () => {
    expect(await attend(Promise.resolve(1), createManualClock())).toBe(1);
  });
});

describe("a process with nothing else to do", () => {
  it.each([
    ["call", "a call for which no token can be had", "14"],
    ["source", "a token that cannot be had", "ERR_TOKEN_SOURCE_UNAVAILABLE"],
    ["jwksUri", "a verification whose key set cannot be had", "ERR_KEYS_UNAVAILABLE"],
    ["discovery", "a verification whose issuer cannot be asked", "ERR_KEYS_UNAVAILABLE"],
    ["resumable", "a stream that is opened again in vain", "14"],
  ])("lives until it has the error of what it waits for: %s, %s", async (way, _, code) => {
    expect(await linesOf(way, await closedUrl())).toEqual([code]);
  });

  it("lives for a caller who joins a refresh in the background", async () => {
    expect(await linesOf("joining", await closedUrl())).toEqual(["true", "refresh_failed", "ERR_KEYS_UNAVAILABLE"]);
  });

  it("H16: does not live for the retries of a key set that is still usable", async () => {
    expect(await linesOf("confirming", await closedUrl())).toEqual(["true", "done"]);
  });

  it("H16: does not live for the successor of a token that is still valid", async () => {
    await using server = await startAuthorizationServer((hit) =>
      hit === 1 ? tokenAnswer() : { status: 503, headers: { "retry-after": "2" } },
    );
    expect(await linesOf("refreshAhead", server.tokenEndpoint)).toEqual(["refreshed", "done"]);
    expect(server.tokenRequests).toHaveLength(2);
  });
});
