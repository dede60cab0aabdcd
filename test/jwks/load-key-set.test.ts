import { beforeEach, describe, expect, it } from "vitest";
import { createHeldKeySet, type HeldKeySet } from "../../src/jwks/held-key-set.js";
import { type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import { createLoadKeySet, type LoadKeySet } from "../../src/jwks/load-key-set.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";

const URL_OF_SET = "https://issuer.test/jwks.json";
const never = new AbortController().signal;

describe("createLoadKeySet()", () => {
  let clock: ManualClock;
  let held: HeldKeySet;
  let issuer: TestIssuer;
  beforeEach(async () => {
    clock = createManualClock();
    held = createHeldKeySet(0, clock);
    issuer = await createTestIssuer();
  });

  function create(options: JwksOptions): LoadKeySet {
    return createLoadKeySet(URL_OF_SET, resolveJwksOptions({ clock, ...options }, "options"), held);
  }

  it("sends one request to the one URL, and holds its answer for as long as it says", async () => {
    const urls: string[] = [];
    const load = create({
      fetch: async (url) => {
        urls.push(url);
        return Response.json(issuer.jwks(), { headers: { "cache-control": "max-age=120" } });
      },
    });
    await load(3_000, never);
    expect(urls).toEqual([URL_OF_SET]);
    expect(held.latest()).toMatchObject({ sequence: 1, requestedAtMs: 0, ttlMs: 120_000 });
    expect(clock.pendingTimers).toBe(0);
  });

  it("H7: counts the age of a set from when it was asked for, however long the answer took", async () => {
    const load = create({
      fetch: async () => {
        await clock.advance(2_000);
        return Response.json(issuer.jwks());
      },
    });
    await load(3_000, never);
    expect(held.latest()?.requestedAtMs).toBe(0);
  });

  it("H17: numbers requests in the order they were sent, and keeps the answer of the later one", async () => {
    const answers = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()];
    let sent = 0;
    const load = create({ fetch: () => answers[sent++]?.promise ?? Promise.reject(new Error("one too many")) });
    const [older, newer] = [load(3_000, never), load(3_000, never)];
    const before = Response.json(issuer.jwks());
    await issuer.rotate();
    answers[1]?.resolve(Response.json(issuer.jwks()));
    await newer;
    answers[0]?.resolve(before);
    await older;
    expect([...(held.latest()?.keySet.keys.keys() ?? [])]).toEqual(["test-key-1", "test-key-2"]);
    expect(held.latest()?.sequence).toBe(2);
  });

  it("H13: leaves what is held alone when the answer is no usable set", async () => {
    let body: unknown = issuer.jwks();
    const load = create({ fetch: async () => Response.json(body) });
    await load(3_000, never);
    const before = held.latest();
    for (const unusable of [{ keys: [] }, { keys: [{ kty: "oct", kid: "o", k: "AA" }] }, null, "keys"]) {
      body = unusable;
      await expect(load(3_000, never)).rejects.toMatchObject({ code: "ERR_KEYS_INVALID" });
      expect(held.latest()).toBe(before);
    }
  });

  it("H16: stores no set, and so tells nobody of one, when it is disposed while the keys are imported", async () => {
    const disposal = new AbortController();
    let stored = 0;
    const endingMeanwhile: HeldKeySet = {
      ...held,
      // Looked at after the answer has come and before its keys are imported.
      latest() {
        disposal.abort(new Error("disposed"));
        return held.latest();
      },
      store: () => void stored++,
    };
    const settings = resolveJwksOptions({ clock, fetch: async () => Response.json(issuer.jwks()) }, "options");
    const load = createLoadKeySet(URL_OF_SET, settings, endingMeanwhile);
    await expect(load(3_000, disposal.signal)).rejects.toThrow("disposed");
    expect(stored).toBe(0);
  });

  it("L3: records how many keys were left out by reason, and nothing that the publisher wrote", async () => {
    const recorded: [string, number, unknown][] = [];
    const load = create({
      telemetry: { count() {}, record: (name, value, labels) => void recorded.push([name, value, labels]) },
      fetch: async () => {
        const { keys } = issuer.jwks();
        const [first] = keys;
        return Response.json({
          keys: [...keys, { ...first, kid: "enc", use: "enc" }, { ...first, kid: "sig ", use: "sig " }, null, 7],
        });
      },
    });
    await load(3_000, never);
    expect(recorded).toEqual(
      expect.arrayContaining([
        ["latchkey.jwks.unusable_keys", 2, { reason: "not an object" }],
        ["latchkey.jwks.unusable_keys", 1, { reason: "use" }],
        ["latchkey.jwks.unusable_keys", 1, { reason: "kid" }],
      ]),
    );
    expect(recorded).toHaveLength(3);
  });
});
