import fc from "fast-check";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { AuthError } from "../../src/errors.js";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksFetch } from "../../src/jwks/jwks-options.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const MAX_TTL_MS = 10 * MINUTE;
const STALE_MS = 5 * MINUTE;
const COOLDOWN_MS = 30 * SECOND;
const VERSIONS = 8;
const GONE = new Error("gone");

/** How the issuer answers: at once, with what it has now or had when it was asked, when told to, never, or not at all. */
type Mode = "ok" | "held" | "hang" | "fail" | "limit" | "reset" | "garbage";

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("ask" as const),
      key: fc.constantFrom("newest", "oldest", "stranger"),
      leaves: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("advance" as const),
      ms: fc.constantFrom(1, 250, SECOND, 3 * SECOND, 29 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 16 * MINUTE),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("mode" as const),
      mode: fc.constantFrom<Mode>("ok", "ok", "held", "held", "hang", "fail", "limit", "reset", "garbage"),
      maxAge: fc.constantFrom(undefined, 0, 60, 300, 1e9),
    }),
  },
  // The content is that of the moment when the request came, or when it is answered.
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("answer" as const), index: fc.nat(1), asOfThen: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "rotate" as const }) },
  // Both kinds of request under way, and keys that change meanwhile.
  { weight: 2, arbitrary: fc.record({ type: fc.constant("overlap" as const), maxAge: fc.constantFrom(60, 300) }) },
  { weight: 2, arbitrary: fc.constant({ type: "refresh" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("wall" as const), ms: fc.constantFrom(-60 * MINUTE, 60 * MINUTE) }),
  },
);

interface Held {
  readonly order: number;
  readonly version: number;
  readonly sentAtMs: number;
}

/** An issuer with scripted faults that remembers what each of its answers said, and what follows from them. */
function createIssuer(clock: ManualClock, versions: readonly (readonly JWK[])[]) {
  let version = 0;
  let mode: Mode = "ok";
  let maxAge: number | undefined;
  let order = 0;
  let underWay = 0;
  let loads = 0;
  /** What a cache holds that follows the rules. */
  let held: Held | undefined;
  const confirmedAtMs = new Map<string, number>();
  const waiting = new Set<(asOfThen: boolean) => void>();

  const fetch: JwksFetch = async (_url, { signal, headers }) => {
    const mine = { order: ++order, version, sentAtMs: clock.monotonicMs() };
    underWay++;
    const respond = (at: number): Response => {
      if (signal?.aborted === true) throw signal.reason;
      const etag = `"${at}"`;
      const said = { etag, ...(maxAge !== undefined && { "cache-control": `max-age=${maxAge}` }) };
      loads++;
      // Dropped when a later request has been answered before.
      if (held === undefined || held.order < mine.order) held = { ...mine, version: at };
      for (const { kid = "" } of versions[at] ?? []) {
        confirmedAtMs.set(kid, Math.max(confirmedAtMs.get(kid) ?? Number.NEGATIVE_INFINITY, mine.sentAtMs));
      }
      if (new Headers(headers).get("if-none-match") === etag) return new Response(null, { status: 304, headers: said });
      return Response.json({ keys: versions[at] }, { headers: said });
    };
    try {
      switch (mode) {
        case "ok":
          return respond(version);
        case "held":
          return await new Promise<Response>((resolve, reject) => {
            const answer = (asOfThen: boolean): void => {
              waiting.delete(answer);
              resolve(respond(asOfThen ? mine.version : version));
            };
            waiting.add(answer);
            signal?.addEventListener("abort", () => {
              waiting.delete(answer);
              reject(signal.reason);
            });
          });
        case "hang":
          return await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
        case "fail":
          return new Response(null, { status: 503 });
        case "limit":
          return new Response(null, { status: 429, headers: { "retry-after": "100" } });
        case "reset":
          throw new TypeError("reset");
        case "garbage":
          return Response.json({ keys: [] });
      }
    } finally {
      underWay--;
    }
  };

  return {
    fetch,
    confirmedAtMs,
    waiting,
    kidsOf: (at: number): string[] => (versions[at] ?? []).map(({ kid = "" }) => kid),
    rotate(): void {
      version = Math.min(VERSIONS - 1, version + 1);
    },
    setMode(next: Mode, seconds: number | undefined): void {
      mode = next;
      maxAge = seconds;
    },
    get version() {
      return version;
    },
    get held() {
      return held;
    },
    get requests() {
      return order;
    },
    get underWay() {
      return underWay;
    },
    get loads() {
      return loads;
    },
  };
}

/** Notes when refreshes of each kind begin and end. */
function createSpans(clock: ManualClock, requests: () => number) {
  const begun = { refresh: 0, forced: 0 };
  const forcedAtMs: number[] = [];
  const excesses: string[] = [];
  let succeeded = 0;
  let wake = (): void => {};
  const telemetry: Telemetry = {
    count() {},
    record() {},
    startSpan(_name, labels) {
      const kind = labels?.["kind"] === "forced" ? "forced" : "refresh";
      if (++begun[kind] > 1) excesses.push(`two of kind ${kind} at a time`);
      const requestsBefore = requests();
      const isAlone = begun.refresh + begun.forced === 1;
      let metAnother = !isAlone;
      if (kind === "forced") {
        const before = forcedAtMs.at(-1) ?? Number.NEGATIVE_INFINITY;
        if (clock.monotonicMs() - before < COOLDOWN_MS) excesses.push("two forced requests in a cooldown");
        forcedAtMs.push(clock.monotonicMs());
      }
      const others = onBegin.get(kind === "forced" ? "refresh" : "forced");
      others?.();
      onBegin.set(kind, () => {
        metAnother = true;
      });
      return {
        end(outcome) {
          begun[kind]--;
          onBegin.delete(kind);
          if (outcome === "ok") succeeded++;
          if (kind === "forced" && !metAnother && requests() - requestsBefore > 1)
            excesses.push("a forced one repeated");
          wake();
        },
      };
    },
  };
  const onBegin = new Map<string, () => void>();
  return {
    telemetry,
    excesses,
    get underWay() {
      return begun.refresh + begun.forced;
    },
    get successes() {
      return succeeded;
    },
    /** Resolves when as many refreshes have succeeded. */
    succeeded: (count: number): Promise<void> =>
      new Promise((resolve) => {
        wake = () => {
          if (succeeded >= count) resolve();
        };
        wake();
      }),
  };
}

describe("createJwks()", () => {
  let versions: readonly (readonly JWK[])[];
  beforeAll(async () => {
    const keys = await Promise.all(
      Array.from({ length: VERSIONS + 1 }, async (_, index): Promise<JWK> => {
        const { publicKey } = await generateKeyPair("ES256");
        return { ...(await exportJWK(publicKey)), kid: `k${index}`, alg: "ES256" };
      }),
    );
    // Each rotation publishes a key and takes the oldest one out.
    versions = Array.from({ length: VERSIONS }, (_, index) => keys.slice(index, index + 2));
  });

  it("H2 H7 H17: whatever happens in whatever order, keeps to its rules", { timeout: 120_000 }, async () => {
    const seen = { served: 0, notFound: 0, unavailable: 0, confirmed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60 }),
        fc.nat(2),
        fc.constantFrom(2, 5),
        async (steps, retries, breakerFailures) => {
          const clock = createManualClock();
          const issuer = createIssuer(clock, versions);
          const spans = createSpans(clock, () => issuer.requests);
          const jwks: Jwks = createJwks("https://issuer.test/jwks.json", {
            clock,
            retries,
            breakerFailures,
            maxTtlMs: MAX_TTL_MS,
            fallbackTtlMs: 5 * MINUTE,
            staleWhileErrorMs: STALE_MS,
            cooldownMs: COOLDOWN_MS,
            telemetry: spans.telemetry,
            fetch: issuer.fetch,
          });
          const asked: Promise<void>[] = [];

          const assertRules = (): void => {
            expect(spans.excesses).toEqual([]);
            // Each refresh has one request under way at most, and there is one refresh of a kind at most.
            expect(issuer.underWay).toBeLessThanOrEqual(spans.underWay);
            const nowMs = clock.monotonicMs();
            for (let index = 0; index <= VERSIONS; index++) {
              const kid = `k${index}`;
              if (jwks.peekKey({ kid, alg: "ES256" }) === undefined) continue;
              const atMs = issuer.confirmedAtMs.get(kid) ?? Number.NaN;
              expect(nowMs - atMs).toBeLessThan(MAX_TTL_MS + STALE_MS);
            }
            // As a whole, and of the newest request that was answered.
            expect(jwks.status().kids).toEqual(issuer.held === undefined ? [] : issuer.kidsOf(issuer.held.version));
          };
          /** Waits for the keys of answers that have come, whose import takes no time of the clock. */
          const imported = async (): Promise<void> => {
            if (spans.successes === issuer.loads) return;
            await spans.succeeded(issuer.loads);
            await clock.advance(0);
          };
          const ask = async (kid: string, leaves: boolean): Promise<void> => {
            const key = jwks.peekKey({ kid, alg: "ES256" });
            const leaving = new AbortController();
            let settled = false;
            const outcome = jwks.getKey({ kid, alg: "ES256" }, { signal: leaving.signal }).then(
              (given) => {
                seen.served++;
                expect(issuer.confirmedAtMs.has(kid)).toBe(true);
                if (key !== undefined) expect(given).toBe(key);
                settled = true;
              },
              (error: unknown) => {
                settled = true;
                if (error === GONE) return;
                expect(error).toBeInstanceOf(AuthError);
                expect(["ERR_KEY_NOT_FOUND", "ERR_KEYS_UNAVAILABLE", "ERR_KEYS_INVALID"]).toContain(
                  (error as AuthError).code,
                );
                if ((error as AuthError).code === "ERR_KEY_NOT_FOUND") seen.notFound++;
                else seen.unavailable++;
                // A key in hand is never refused.
                expect(key).toBeUndefined();
              },
            );
            // Whoever fails says so at the end.
            outcome.catch(() => {});
            asked.push(outcome);
            await clock.advance(0);
            // Nobody waits for the network with a key in hand.
            if (key !== undefined) expect(settled).toBe(true);
            if (leaves) leaving.abort(GONE);
          };

          const refresh = (): void => {
            asked.push(
              jwks.refresh().then(
                () => void seen.confirmed++,
                (error: unknown) => expect(error).toBeInstanceOf(AuthError),
              ),
            );
          };

          for (const next of steps) {
            switch (next.type) {
              case "ask": {
                const [oldest = "", newest = ""] = issuer.kidsOf(issuer.version);
                await ask({ oldest, newest, stranger: "stranger" }[next.key] ?? "", next.leaves);
                break;
              }
              case "advance":
                // Not beyond what falls due on the way, so that it gets to run at its time.
                for (let leftMs = next.ms; leftMs > 0; ) {
                  const { nextRefreshAtMs = Number.POSITIVE_INFINITY } = jwks.status();
                  const untilDueMs = spans.underWay > 0 ? SECOND : Math.max(1, nextRefreshAtMs - clock.nowMs());
                  const ms = Math.min(untilDueMs, leftMs);
                  await clock.advance(ms);
                  await imported();
                  assertRules();
                  leftMs -= ms;
                }
                break;
              case "mode":
                issuer.setMode(next.mode, next.maxAge);
                break;
              case "answer":
                [...issuer.waiting][next.index % Math.max(1, issuer.waiting.size)]?.(next.asOfThen);
                break;
              case "rotate":
                issuer.rotate();
                break;
              case "overlap":
                issuer.setMode("held", next.maxAge);
                await ask("stranger", false);
                refresh();
                await clock.advance(0);
                issuer.rotate();
                break;
              case "refresh":
                refresh();
                break;
              case "wall":
                clock.setWallClock(clock.nowMs() + next.ms);
                break;
            }
            if (next.type !== "advance") await clock.advance(0);
            await imported();
            assertRules();
          }
          jwks[Symbol.dispose]();
          await Promise.all(asked);
          await clock.advance(0);
          expect(spans.excesses).toEqual([]);
          expect({ requests: issuer.underWay, spans: spans.underWay }).toEqual({ requests: 0, spans: 0 });
          expect(clock.pendingTimers).toBe(0);
        },
      ),
      { numRuns: 80, timeout: 30_000 },
    );
    // The sequences did reach what the rules are about.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });
});
