import { generateKeyPairSync } from "node:crypto";
import { importJWK, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { JwsAlgorithm } from "../../src/token/algorithms.js";
import { createLookUpSource } from "../../src/verify/look-up-source.js";
import type { FindKey, TrustedKey } from "../../src/verify/trusted-issuer.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import type { VerifierOptions } from "../../src/verify/verifier-options.js";
import { peekVerified } from "../support/peek-verified.js";

const SECOND = 1_000;
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };

describe("createLookUpSource()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let store: Map<string, TrustedKey>;
  let asked: string[];
  let findKey: FindKey;

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer({ clock });
    store = new Map(issuer.jwks().keys.map((key) => [key.kid as string, { key }]));
    asked = [];
    findKey = async (kid) => {
      asked.push(kid);
      return store.get(kid);
    };
  });

  function create(find: FindKey = findKey, options: Partial<VerifierOptions> = {}): Verifier {
    const { issuer: name, audience } = issuer;
    const issuers = [{ issuer: name, audience, algorithms: ["ES256"], findKey: find }] as const;
    return createVerifier({ issuers, clock, ...options });
  }

  it("asks once for parallel calls, and again when the answer has grown old", async () => {
    const verifier = create();
    await Promise.all(Array.from({ length: 10 }, async () => verifier.verify(await issuer.mint())));
    expect(asked).toEqual([issuer.kid]);
    await clock.advance(5 * SECOND - 1);
    await verifier.verify(await issuer.mint());
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    await verifier.verify(await issuer.mint());
    expect(asked).toHaveLength(2);
  });

  it("E9: a known token lives no longer than the answer its key came from", async () => {
    const verifier = create();
    const token = await issuer.mint();
    await verifier.verify(token);
    store.clear();
    await clock.advance(5 * SECOND - 1);
    expect(peekVerified(verifier, token)).toBeDefined();
    await clock.advance(1);
    expect(peekVerified(verifier, token)).toBeUndefined();
    await expect(verifier.verify(token)).rejects.toMatchObject(NOT_FOUND);
  });

  it("J4: forgetKey() forgets a key and its tokens at once", async () => {
    const verifier = create();
    const token = await issuer.mint();
    await verifier.verify(token);
    store.clear();
    verifier.forgetKey("https://stranger.test", issuer.kid);
    verifier.forgetKey(issuer.issuer, "other");
    expect(peekVerified(verifier, token)).toBeDefined();
    verifier.forgetKey(issuer.issuer, issuer.kid);
    expect(peekVerified(verifier, token)).toBeUndefined();
    await expect(verifier.verify(token)).rejects.toMatchObject(NOT_FOUND);
  });

  it("J4: a token is verified anew after forgetKey() though the look-up gives the very same key object", async () => {
    const key = (await importJWK(issuer.jwks().keys[0] as JWK, "ES256")) as CryptoKey;
    const record = (...roles: string[]): TrustedKey => ({
      key,
      principal: { principalId: "alice", org: "acme", roles },
    });
    store.set(issuer.kid, record("tester", "admin"));
    const verifier = create();
    const token = await issuer.mint({ claims: { roles: undefined } });
    expect([...(await verifier.verify(token)).roles]).toEqual(["tester", "admin"]);
    store.set(issuer.kid, record("tester"));
    verifier.forgetKey(issuer.issuer, issuer.kid);
    expect([...(await verifier.verify(token)).roles]).toEqual(["tester"]);
  });

  it("J4: an answer asked for before forgetKey() serves only those who waited for it", async () => {
    const answers: ((key: TrustedKey | undefined) => void)[] = [];
    const verifier = create(() => new Promise((resolve) => answers.push(resolve)));
    const token = await issuer.mint();
    const before = verifier.verify(token);
    await clock.advance(0);
    verifier.forgetKey(issuer.issuer, issuer.kid);
    const after = verifier.verify(token);
    await clock.advance(0);
    expect(answers).toHaveLength(2);
    answers[0]?.(store.get(issuer.kid));
    await expect(before).resolves.toBeDefined();
    expect(peekVerified(verifier, token)).toBeUndefined();
    answers[1]?.(undefined);
    await expect(after).rejects.toMatchObject(NOT_FOUND);
  });

  it("J5: remembers that there is no key as briefly as that there is one", async () => {
    const key = store.get(issuer.kid) as TrustedKey;
    store.clear();
    const verifier = create();
    const token = await issuer.mint();
    await expect(verifier.verify(token)).rejects.toMatchObject(NOT_FOUND);
    store.set(issuer.kid, key);
    await expect(verifier.verify(token)).rejects.toMatchObject(NOT_FOUND);
    expect(asked).toHaveLength(1);
    await clock.advance(5 * SECOND);
    await expect(verifier.verify(token)).resolves.toBeDefined();
  });

  it("keeps what it was told, whatever becomes of the object it was told with", async () => {
    const [key] = issuer.jwks().keys;
    const record = { principalId: "alice", org: "acme", roles: ["tester"] };
    const algorithms: JwsAlgorithm[] = ["ES256"];
    const verifier = create(async () => ({ key: key as JWK, algorithms, principal: record }));
    await verifier.verify(await issuer.mint());
    record.roles.push("admin");
    record.org = "other";
    algorithms.pop();
    const { org, roles } = await verifier.verify(await issuer.mint({ claims: { roles: undefined } }));
    expect([org, [...roles]]).toEqual(["acme", ["tester"]]);
  });

  it("J5: remembers that a key is gone as well as that there never was one", async () => {
    const verifier = create();
    const token = await issuer.mint();
    await verifier.verify(token);
    store.clear();
    await clock.advance(5 * SECOND);
    for (let call = 0; call < 10; call++) await expect(verifier.verify(token)).rejects.toMatchObject(NOT_FOUND);
    expect(asked).toHaveLength(2);
  });

  it("takes null, as databases give it, for no key", async () => {
    const verifier = create((async () => null) as unknown as FindKey);
    await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(NOT_FOUND);
  });

  it("H2: any number of made-up kids drives no known key out", async () => {
    const source = createLookUpSource({ findKey, maxAgeMs: 5 * SECOND, maxPending: 1, clock });
    const { handle } = await source.getKey(issuer.kid, "ES256");
    for (let index = 0; index < 10_500; index++) {
      await source.getKey(`made-up-${index}`, "ES256").catch(() => {});
    }
    expect(source.isCurrent(issuer.kid, "ES256", handle)).toBe(true);
    expect(asked).toHaveLength(10_501);
  });

  it("turns away more look-ups than may be under way, and takes up again when they end", async () => {
    const gate = Promise.withResolvers<TrustedKey | undefined>();
    const verifier = create(() => gate.promise, { maxPendingVerifications: 2 });
    const mint = (kid: string): Promise<string> => issuer.mint({ header: { kid } });
    const waiting = [verifier.verify(await mint("one")), verifier.verify(await mint("two"))];
    await expect(verifier.verify(await mint("three"))).rejects.toMatchObject({ code: "ERR_TOO_MANY_PENDING" });
    gate.resolve(undefined);
    for (const refused of waiting) await expect(refused).rejects.toMatchObject(NOT_FOUND);
    await expect(verifier.verify(await mint("three"))).rejects.toMatchObject(NOT_FOUND);
  });

  it("calls a token neither good nor bad when the look-up fails or throws, and asks again", async () => {
    let failures = 0;
    const failing = create(async (kid, options) => {
      if (failures++ === 0) throw new Error("database down");
      return findKey(kid, options);
    });
    const token = await issuer.mint();
    await expect(failing.verify(token)).rejects.toMatchObject({ ...UNAVAILABLE, cause: { message: "database down" } });
    await expect(failing.verify(token)).resolves.toBeDefined();
    const throwing = create(() => {
      throw new Error("broken");
    });
    await expect(throwing.verify(token)).rejects.toMatchObject(UNAVAILABLE);
  });

  it("gives up on a look-up that never answers, and tells it so", async () => {
    let told: AbortSignal | undefined;
    const verifier = create((_kid, { signal }) => {
      told = signal;
      return new Promise(() => {});
    });
    const refused = expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(0);
    await clock.advance(3 * SECOND);
    await refused;
    expect(told?.aborted).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends look-ups under way when disposed", async () => {
    const verifier = create(() => new Promise(() => {}));
    const refused = expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(0);
    await verifier[Symbol.asyncDispose]();
    await refused;
    expect(clock.pendingTimers).toBe(0);
  });

  it("refuses keys that a published set could not have either", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1_024 }).publicKey.export({ format: "jwk" }) as JWK;
    const unusable = { name: "TokenRejectedError", code: "ERR_KEY_UNUSABLE" };
    const key = issuer.jwks().keys[0] as JWK;
    for (const trusted of [
      { key: weak },
      { key: { kty: "oct", k: "c2VjcmV0" } },
      { key: { ...key, d: "AQAB" } },
      { key: { ...key, use: "enc" } },
      { key: undefined as unknown as JWK },
      { key, algorithms: ["ES384"] },
      { key, algorithms: [] },
    ] as TrustedKey[]) {
      store.set(issuer.kid, trusted);
      await expect(create().verify(await issuer.mint())).rejects.toMatchObject(unusable);
    }
  });

  it.each([
    { principalId: "", org: "acme", roles: [] },
    { principalId: "alice", org: "", roles: [] },
    { principalId: "alice", org: undefined, roles: [] },
    { principalId: "alice", org: "acme", roles: "admin" },
  ])("accepts nothing on the strength of the unusable record %o", async (principal) => {
    const key = issuer.jwks().keys[0] as JWK;
    store.set(issuer.kid, { key, principal } as unknown as TrustedKey);
    await expect(create().verify(await issuer.mint())).rejects.toMatchObject({ code: "ERR_KEYS_INVALID" });
  });

  it("E6: a kid that looks like another one of another time is itself", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    verifier.forgetKey(issuer.issuer, "x");
    // A space cannot stand in a kid, so nothing a token says can spell the key of a flight.
    await expect(verifier.verify(await issuer.mint({ header: { kid: `0 ${issuer.kid}` } }))).rejects.toMatchObject({
      code: "ERR_TOKEN_MALFORMED",
    });
  });
});
