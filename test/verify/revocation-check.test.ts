import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { AuthError, KeysUnavailableError } from "../../src/errors.js";
import type { Labels } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import type { Principal } from "../../src/token/principal.js";
import type { Revocation, RevocationQuery } from "../../src/verify/revocation.js";
import {
  createRevocationCheck,
  type RevocationCheck,
  type RevocationCheckOptions,
} from "../../src/verify/revocation-check.js";
import { createRevocationList } from "../../src/verify/revocation-list.js";
import { createPrincipal } from "../support/principals.js";

type Answer = Revocation["isRevoked"];

const REVOKED = { name: "TokenRejectedError", code: "ERR_TOKEN_REVOKED" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REVOCATION_UNAVAILABLE" };
const OVERLOADED = { name: "KeysUnavailableError", code: "ERR_TOO_MANY_PENDING" };

describe("createRevocationCheck()", () => {
  const caller = createPrincipal({ claims: { jti: "secret-jti", iat: 1_700_000_000 } });
  let clock: ManualClock;
  let counted: (Labels | undefined)[];

  beforeEach(() => {
    clock = createManualClock();
    counted = [];
  });
  afterEach(() => expect(clock.pendingTimers).toBe(0));

  function create(isRevoked: Answer, options: Partial<RevocationCheckOptions> = {}): RevocationCheck {
    const telemetry = {
      count: (name: string, labels?: Labels) => {
        expect(name).toBe("latchkey.verify.revocation_unavailable");
        counted.push(labels);
      },
      record() {},
    };
    return createRevocationCheck({ isRevoked }, { toleranceMs: 0, ...options, telemetry, clock });
  }
  /** What a check came to, at once or later. */
  const outcome = async (check: RevocationCheck, principal: Principal = caller, signal?: AbortSignal) => {
    try {
      await check(principal, signal);
      return "passed";
    } catch (error) {
      return error;
    }
  };
  const never = (): Promise<boolean> => new Promise(() => {});

  it("asks with what names the token", () => {
    const asked: RevocationQuery[] = [];
    const check = create((query) => {
      asked.push(query);
      return false;
    });
    void check(caller);
    void check(createPrincipal({ subject: "bob", issuer: "https://b.test", kid: "k2" }));
    expect(asked).toEqual([
      {
        issuer: "https://issuer.test",
        kid: "test-key-1",
        jti: "secret-jti",
        subject: "alice",
        issuedAt: 1_700_000_000,
      },
      { issuer: "https://b.test", kid: "k2", jti: undefined, subject: "bob", issuedAt: undefined },
    ]);
  });

  it("E12: answers at once, without a promise, when the port does", () => {
    expect(create(() => false)(caller)).toBeUndefined();
    expect(() => create(() => true)(caller)).toThrow(expect.objectContaining(REVOKED));
  });

  it("E12: waits for an answer that is a promise", async () => {
    expect(await outcome(create(async () => false))).toBe("passed");
    expect(await outcome(create(async () => true))).toMatchObject(REVOKED);
    expect(counted).toEqual([]);
  });

  it.each<readonly [string, string, (...query: Parameters<Answer>) => unknown]>([
    ["throws", "failed", (query) => raise(query)],
    ["rejects", "failed", async (query) => raise(query)],
    ["gives undefined", "invalid", () => undefined],
    ["gives null", "invalid", async () => null],
    ["gives a text", "invalid", async () => "false"],
    ["gives 0", "invalid", () => 0],
    ["gives an object", "invalid", () => ({ revoked: false })],
  ])("E12: refuses a call as unavailable when the port %s, and shows nothing of it", async (_, reason, isRevoked) => {
    const error = await outcome(create(isRevoked as Answer));
    expect(error).toMatchObject(UNAVAILABLE);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret");
    expect(counted).toEqual([{ outcome: reason }]);
    expect(await outcome(create(isRevoked as Answer, { onUnavailable: "accept" }))).toBe("passed");
    expect(counted).toEqual([{ outcome: reason }, { outcome: reason }]);
  });

  function raise(query: RevocationQuery): never {
    throw Object.assign(new Error(`GET ${query.jti} failed`), { query });
  }

  it("passes on what an error of our own says, which shows nothing", async () => {
    const cause = new KeysUnavailableError("ERR_REVOCATION_UNAVAILABLE", "The list is too old");
    const error = await outcome(
      create(() => {
        throw cause;
      }),
    );
    expect(error).toMatchObject(UNAVAILABLE);
    expect(error).toBeInstanceOf(AuthError);
    expect((error as Error).cause).toBe(cause);
  });

  it("E12: refuses a call as unavailable when the answer takes too long, and tells the port", async () => {
    let portSignal: AbortSignal | undefined;
    const check = create((_, { signal }) => {
      portSignal = signal;
      return never();
    });
    let result: unknown;
    const ended = outcome(check).then((given) => {
      result = given;
    });
    await clock.advance(249);
    expect([result, portSignal?.aborted]).toEqual([undefined, false]);
    await clock.advance(1);
    await ended;
    expect(result).toMatchObject(UNAVAILABLE);
    expect(portSignal?.aborted).toBe(true);
    expect(counted).toEqual([{ outcome: "timeout" }]);
  });

  it("lets a call pass when the answer takes too long and that is how it shall be", async () => {
    const ended = outcome(create(never, { timeoutMs: 10, onUnavailable: "accept" }));
    await clock.advance(10);
    expect(await ended).toBe("passed");
    expect(counted).toEqual([{ outcome: "timeout" }]);
  });

  it("still refuses a revoked token when what cannot be said is accepted", async () => {
    expect(await outcome(create(() => true, { onUnavailable: "accept" }))).toMatchObject(REVOKED);
    expect(await outcome(create(async () => true, { onUnavailable: "accept" }))).toMatchObject(REVOKED);
  });

  it("drops what comes late, an error too", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    onTestFinished(() => void process.off("unhandledRejection", listen));
    const late = [Promise.withResolvers<boolean>(), Promise.withResolvers<boolean>()] as const;
    const answers = late.map(({ promise }) => promise);
    const check = create(() => answers.shift() ?? false);
    const results = Promise.all([outcome(check), outcome(check)]);
    await clock.advance(250);
    expect(await results).toMatchObject([UNAVAILABLE, UNAVAILABLE]);
    late[0].resolve(true);
    late[1].reject(new Error("late"));
    await clock.advance(0);
    expect(unhandled).toEqual([]);
  });

  it("ends the wait of a caller who leaves, with his reason, and tells the port", async () => {
    const leaving = new AbortController();
    let portSignal: AbortSignal | undefined;
    const check = create(
      (_, { signal }) => {
        portSignal = signal;
        return never();
      },
      { onUnavailable: "accept" },
    );
    const ended = outcome(check, caller, leaving.signal);
    const reason = new Error("left");
    leaving.abort(reason);
    expect(await ended).toBe(reason);
    expect(portSignal?.reason).toBe(reason);
    expect(await outcome(check, caller, leaving.signal)).toBe(reason);
    expect(counted).toEqual([]);
  });

  it("leaves no listener on the signal of a caller who stays", async () => {
    const { signal } = new AbortController();
    expect(
      await outcome(
        create(async () => false),
        caller,
        signal,
      ),
    ).toBe("passed");
    const late = outcome(create(never), caller, signal);
    await clock.advance(250);
    expect(await late).toMatchObject(UNAVAILABLE);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("gives each question a signal of its own", async () => {
    const signals: AbortSignal[] = [];
    const check = create((_, { signal }) => {
      signals.push(signal);
      return signals.length < 3 ? never() : false;
    });
    const leaving = new AbortController();
    const first = outcome(check, caller, leaving.signal);
    const second = outcome(check);
    void check(caller);
    void check(caller);
    expect(new Set(signals).size).toBe(4);
    leaving.abort(new Error("left"));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, false, false]);
    await clock.advance(250);
    await Promise.all([first, second]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false, false]);
  });

  it("E12: shares no answer that is under way: it may be from before the token was revoked", async () => {
    let revoked = false;
    const gate = Promise.withResolvers<void>();
    const check = create(async () => {
      const answer = revoked;
      await gate.promise;
      return answer;
    });
    const before = outcome(check);
    revoked = true;
    const after = outcome(check);
    gate.resolve();
    expect(await before).toBe("passed");
    expect(await after).toMatchObject(REVOKED);
  });

  it("turns callers away when too many wait, whatever else is accepted, and none after", async () => {
    let asked = 0;
    const check = create(
      () => {
        asked++;
        return never();
      },
      { maxPending: 2, onUnavailable: "accept" },
    );
    const waiting = Promise.all([outcome(check), outcome(check)]);
    expect(() => check(caller)).toThrow(expect.objectContaining(OVERLOADED));
    expect(asked).toBe(2);
    await clock.advance(250);
    await waiting;
    const next = outcome(check);
    expect(asked).toBe(3);
    await clock.advance(250);
    expect(await next).toBe("passed");
  });

  it.each([7, null, ["a"], {}])('E12: refuses a token whose "jti" is %o: it has no name to be revoked by', (jti) => {
    const check = create(() => false);
    expect(() => check(createPrincipal({ claims: { jti } }))).toThrow(
      expect.objectContaining({ name: "TokenRejectedError", code: "ERR_TOKEN_CLAIMS" }),
    );
  });

  it("refuses options that cannot be used, by name", () => {
    const answer: Answer = () => false;
    expect(() => create(undefined as unknown as Answer)).toThrow(/revocation\.isRevoked must be a function/);
    expect(() => create(answer, { timeoutMs: 0 })).toThrow(/timeoutMs must be a positive/);
    expect(() => create(answer, { maxPending: 1.5 })).toThrow(/maxPending must be an integer/);
    expect(() => create(answer, { onUnavailable: "ignore" as "accept" })).toThrow(/onUnavailable must be "reject" or/);
  });

  it("E12: refuses to serve a verifier that accepts tokens for longer than their revocation is remembered", async () => {
    const nowMs = 1_700_000_000_000;
    clock = createManualClock(nowMs);
    const list = createRevocationList({ maxEntries: 1, clock });
    const check = create(list.isRevoked, { toleranceMs: 60_000 });
    list.revoke({ issuer: caller.issuer, jti: "secret-jti", expiresAt: nowMs / 1_000 });
    await clock.advance(59_999);
    // Has it make room, if there is anything that it may forget.
    expect(() => list.revoke({ issuer: caller.issuer, jti: "other" })).toThrow(RangeError);
    expect(await outcome(check)).toMatchObject(REVOKED);
    expect(() => create(list.isRevoked, { toleranceMs: 60_001 })).toThrow(
      "clockToleranceSeconds must be at most 60 with revocation, got 60.001",
    );
  });
});
