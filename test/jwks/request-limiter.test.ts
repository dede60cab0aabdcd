import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createRequestLimiter,
  type RequestLimiter,
  type RequestLimits,
  resolveRequestLimits,
} from "../../src/jwks/request-limiter.js";

const NEVER = new AbortController().signal;

function create(maxConcurrentRequests: number, maxConcurrentRequestsPerTenant: number): RequestLimiter {
  return createRequestLimiter({ maxConcurrentRequests, maxConcurrentRequestsPerTenant });
}

/** Lets everything run that is ready to. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("resolveRequestLimits()", () => {
  it("has defaults, of which the smaller one does not exceed the other", () => {
    expect(resolveRequestLimits({}, "options")).toEqual({
      maxConcurrentRequests: 64,
      maxConcurrentRequestsPerTenant: 8,
    });
    expect(resolveRequestLimits({ maxConcurrentRequests: 3 }, "options").maxConcurrentRequestsPerTenant).toBe(3);
  });

  it.each([
    [{ maxConcurrentRequests: 0 }, RangeError, "options.maxConcurrentRequests must be a positive finite number"],
    [{ maxConcurrentRequests: 1.5 }, RangeError, "options.maxConcurrentRequests must be an integer"],
    [{ maxConcurrentRequests: "64" }, TypeError, "options.maxConcurrentRequests must be a number"],
    [{ maxConcurrentRequestsPerTenant: -1 }, RangeError, "options.maxConcurrentRequestsPerTenant"],
    [{ maxConcurrentRequestsPerTenant: Number.NaN }, RangeError, "options.maxConcurrentRequestsPerTenant"],
    [
      { maxConcurrentRequests: 4, maxConcurrentRequestsPerTenant: 5 },
      RangeError,
      "options.maxConcurrentRequestsPerTenant must not exceed maxConcurrentRequests (4), got 5",
    ],
  ])("I6: refuses %o", (options, type, message) => {
    const resolve = (): unknown => resolveRequestLimits(options as Partial<RequestLimits>, "options");
    expect(resolve).toThrow(type);
    expect(resolve).toThrow(message);
  });
});

describe("createRequestLimiter()", () => {
  /** Asks for slots and keeps a list of who got one, in that order. */
  function record(limiter: RequestLimiter): {
    ask(tenantId: string, signal?: AbortSignal): void;
    readonly granted: string[];
    release(tenantId: string): void;
  } {
    const granted: string[] = [];
    const slots = new Map<string, Disposable[]>();
    return {
      granted,
      ask(tenantId, signal = NEVER) {
        limiter.acquire(tenantId, signal).then(
          (slot) => {
            granted.push(tenantId);
            slots.set(tenantId, [...(slots.get(tenantId) ?? []), slot]);
          },
          () => {},
        );
      },
      release: (tenantId) => slots.get(tenantId)?.shift()?.[Symbol.dispose](),
    };
  }

  it("lets a tenant that is alone have as many as it may, and the next when one ends", async () => {
    const { ask, granted, release } = record(create(4, 4));
    for (let index = 0; index < 6; index++) ask("a");
    await settle();
    expect(granted).toHaveLength(4);
    release("a");
    await settle();
    expect(granted).toHaveLength(5);
  });

  it("keeps a tenant to its own limit while others are free to send", async () => {
    const { ask, granted, release } = record(create(8, 2));
    for (let index = 0; index < 100; index++) ask("slow");
    ask("good");
    await settle();
    expect(granted).toEqual(["slow", "slow", "good"]);
    release("slow");
    await settle();
    expect(granted).toEqual(["slow", "slow", "good", "slow"]);
  });

  it("keeps a quarter for tenants that have none under way", async () => {
    const { ask, granted } = record(create(8, 4));
    for (const tenant of ["a", "b"]) for (let index = 0; index < 10; index++) ask(tenant);
    await settle();
    expect(granted).toHaveLength(6);
    ask("c");
    ask("d");
    ask("e");
    await settle();
    expect(granted.slice(6)).toEqual(["c", "d"]);
  });

  it("lets tenants take turns, however many one of them has waiting", async () => {
    const { ask, granted, release } = record(create(1, 1));
    ask("a");
    await settle();
    for (let index = 0; index < 50; index++) ask("a");
    for (const tenant of ["b", "b", "c", "c"]) ask(tenant);
    for (let turn = 0; turn < 6; turn++) {
      await settle();
      release(granted.at(-1) ?? "");
    }
    await settle();
    expect(granted).toEqual(["a", "b", "c", "a", "b", "c", "a"]);
  });

  it("lets the tenants that have some under way take turns as well", async () => {
    const { ask, granted, release } = record(create(8, 6));
    // One of them fills what tenants with some under way may have.
    for (let index = 0; index < 6; index++) ask("a");
    ask("b");
    ask("c");
    await settle();
    expect(granted).toHaveLength(8);
    for (const tenant of ["b", "b", "b", "c", "c", "c"]) ask(tenant);
    for (let turn = 0; turn < 6; turn++) {
      release("a");
      await settle();
    }
    expect(granted.slice(8)).toEqual(["b", "c", "b", "c"]);
  });

  it("ends the wait of a caller that leaves, and of that one alone", async () => {
    const limiter = create(1, 1);
    const first = await limiter.acquire("a", NEVER);
    const leaving = new AbortController();
    const left = limiter.acquire("a", leaving.signal);
    const stays = limiter.acquire("a", NEVER);
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await expect(limiter.acquire("a", leaving.signal)).rejects.toThrow("gone");
    first[Symbol.dispose]();
    const second = await stays;
    second[Symbol.dispose]();
    await limiter.acquire("b", NEVER);
  });

  it("gives a permission back once, however often it is disposed", async () => {
    const limiter = create(2, 1);
    const slot = await limiter.acquire("a", NEVER);
    await limiter.acquire("b", NEVER);
    slot[Symbol.dispose]();
    slot[Symbol.dispose]();
    await limiter.acquire("c", NEVER);
    let granted = false;
    void limiter.acquire("d", NEVER).then(() => {
      granted = true;
    });
    await settle();
    expect(granted).toBe(false);
  });

  it("leaves nothing on a signal once the wait is over", async () => {
    const limiter = create(1, 1);
    const { signal } = new AbortController();
    const slot = await limiter.acquire("a", signal);
    const next = limiter.acquire("b", signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    slot[Symbol.dispose]();
    await next;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("keeps a permission whose signal aborts after it was given", async () => {
    const limiter = create(1, 1);
    const aborting = new AbortController();
    const slot = await limiter.acquire("a", aborting.signal);
    aborting.abort();
    let granted = false;
    const next = limiter.acquire("b", NEVER).then(() => {
      granted = true;
    });
    await settle();
    expect(granted).toBe(false);
    slot[Symbol.dispose]();
    await next;
  });

  it("never lets more go than it may, and in the end everyone", async () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant("ask" as const), tenant: fc.constantFrom("a", "b", "c", "__proto__") }),
      fc.record({ type: fc.constant("release" as const), index: fc.nat(20) }),
      fc.record({ type: fc.constant("leave" as const), index: fc.nat(20) }),
    );
    const limits = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .map(([one, other]) => [Math.max(one, other), Math.min(one, other)] as const);
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 60 }), async ([total, perTenant], steps) => {
        const limiter = create(total, perTenant);
        const held: { readonly tenant: string; readonly slot: Disposable }[] = [];
        const waiting = new Map<AbortController, Promise<void>>();
        const check = (): void => {
          expect(held.length).toBeLessThanOrEqual(total);
          for (const { tenant } of held) {
            expect(held.filter((other) => other.tenant === tenant).length).toBeLessThanOrEqual(perTenant);
          }
        };
        for (const next of steps) {
          if (next.type === "ask") {
            const leaving = new AbortController();
            const asked = limiter.acquire(next.tenant, leaving.signal).then(
              (slot) => void held.push({ tenant: next.tenant, slot }),
              () => {},
            );
            waiting.set(
              leaving,
              asked.then(() => void waiting.delete(leaving)),
            );
          } else if (next.type === "release") {
            const [released] = held.splice(next.index % Math.max(1, held.length), 1);
            released?.slot[Symbol.dispose]();
          } else {
            [...waiting.keys()][next.index]?.abort();
          }
          await settle();
          check();
        }
        while (held.length > 0) {
          held.shift()?.slot[Symbol.dispose]();
          await settle();
          check();
        }
        expect(waiting.size).toBe(0);
      }),
    );
  });
});
