import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createDpopVerifier, type DpopOptions, type DpopVerifier } from "../../src/verify/dpop-verifier.js";
import { createMemoryReplayStore } from "../../src/verify/memory-replay-store.js";
import type { ReplayStore } from "../../src/verify/replay-store.js";
import { forge, takeApart } from "../support/forge.js";
import { CALL, createProver, type Prover } from "../support/prover.js";

const SECOND = 1_000;
const TOLERANCE_MS = 5 * SECOND;
const INVALID = { name: "TokenRejectedError", code: "ERR_PROOF_INVALID" };
const REPLAYED = { name: "TokenRejectedError", code: "ERR_PROOF_REPLAYED" };
const NONCE = { name: "TokenRejectedError", code: "ERR_PROOF_NONCE" };
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

describe("createDpopVerifier()", () => {
  let clock: ManualClock;
  let alice: Prover;
  let mallory: Prover;
  beforeAll(async () => {
    clock = createManualClock();
    alice = await createProver({ ...clock, nowMs: () => clock.nowMs() });
    mallory = await createProver({ ...clock, nowMs: () => clock.nowMs() });
  });
  beforeEach(() => {
    clock = createManualClock(1_800_000_000_000);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  function create(options: DpopOptions = {}, maxPending?: number): DpopVerifier {
    const context = { clock, toleranceMs: TOLERANCE_MS, ...(maxPending !== undefined && { maxPending }) };
    return createDpopVerifier(options, context);
  }

  it("accepts a call that the holder of the key made", async () => {
    await expect(create().check(await alice.call())).resolves.toBeUndefined();
  });

  it("accepts the example of RFC 9449 section 7.1", async () => {
    clock.setWallClock(1_562_262_618 * SECOND);
    const proof =
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo" +
      "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.ey" +
      "JqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZ" +
      "XNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP3" +
      "5yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const call = {
      proof,
      token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
      thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
      method: "GET",
      url: "https://resource.example.org/protectedresource",
    };
    const verifier = create();
    await expect(verifier.check(call)).resolves.toBeUndefined();
    await expect(verifier.check(call)).rejects.toMatchObject(REPLAYED);
  });

  it.each(["ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256", "RS512"] as const)(
    "accepts %s where it is configured, and nothing else",
    async (algorithm) => {
      const prover = await createProver(clock, algorithm);
      const verifier = create({ algorithms: [algorithm] });
      expect(verifier.algorithms).toEqual([algorithm]);
      await expect(verifier.check(await prover.call())).resolves.toBeUndefined();
      const others = create({ algorithms: [algorithm === "EdDSA" ? "ES256" : "EdDSA"] });
      await expect(others.check(await prover.call())).rejects.toMatchObject(INVALID);
    },
  );

  it("tells the algorithms that it accepts by default", () => {
    expect(create().algorithms).toEqual(["ES256", "EdDSA", "PS256", "RS256"]);
  });

  it("A7, E11: refuses who has the token and another key, with either key in the header", async () => {
    const verifier = create();
    const stolen = { ...(await mallory.call()), thumbprint: alice.thumbprint };
    await expect(verifier.check(stolen)).rejects.toMatchObject(INVALID);
    const proof = await mallory.prove({ header: { jwk: alice.jwk } });
    await expect(verifier.check({ ...stolen, proof })).rejects.toMatchObject(INVALID);
    await verifier.check(await alice.call());
    await expect(verifier.check({ ...stolen, proof })).rejects.toMatchObject(INVALID);
  });

  it("E11: refuses a proof made for another call, or for another token", async () => {
    const verifier = create();
    const call = await alice.call();
    for (const other of [{ method: "GET" }, { url: `${CALL.url}s` }, { token: "another" }, { proof: "a.b.c" }]) {
      await expect(verifier.check({ ...call, ...other })).rejects.toMatchObject(INVALID);
    }
    await expect(verifier.check({ ...call, proof: null })).rejects.toMatchObject({ code: "ERR_PROOF_MISSING" });
    await expect(verifier.check(call)).resolves.toBeUndefined();
  });

  it("refuses a proof of which any claim was changed after it was signed", async () => {
    const verifier = create();
    const call = await alice.call();
    const { header, payload, signature } = takeApart(call.proof ?? "");
    for (const change of [{ jti: "another" }, { note: "more" }]) {
      const proof = forge(header, { ...payload, ...change }, signature);
      await expect(verifier.check({ ...call, proof })).rejects.toMatchObject(INVALID);
    }
    for (const changed of [new Uint8Array(64), signature.slice(1), signature.slice(0, 63)]) {
      const proof = forge(header, payload, changed);
      await expect(verifier.check({ ...call, proof })).rejects.toMatchObject(INVALID);
    }
  });

  it("E10: accepts one of many equal proofs that come at the same time", async () => {
    const verifier = create();
    const call = await alice.call();
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => verifier.check(call)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject(REPLAYED);
  });

  it("E10: accepts one of two equal proofs that come to two servers with one store", async () => {
    const replayStore = createMemoryReplayStore({ clock });
    const call = await alice.call();
    const outcomes = await Promise.allSettled([
      create({ replayStore }).check(call),
      create({ replayStore }).check(call),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("E10: refuses a used proof until it is too old, by the second", async () => {
    const verifier = create();
    const call = await alice.call();
    await verifier.check(call);
    for (let second = 0; second < 65; second++) {
      await expect(verifier.check(call)).rejects.toMatchObject(REPLAYED);
      await clock.advance(SECOND);
    }
    await expect(verifier.check(call)).rejects.toMatchObject(INVALID);
  });

  it("E10: refuses a used proof that says it was made as far ahead as clocks may be apart", async () => {
    const verifier = create();
    const call = await alice.call({ claims: { iat: (clock.nowMs() + TOLERANCE_MS) / SECOND } });
    await verifier.check(call);
    for (let second = 0; second < 70; second++) {
      await expect(verifier.check(call)).rejects.toMatchObject(REPLAYED);
      await clock.advance(SECOND);
    }
    await expect(verifier.check(call)).rejects.toMatchObject(INVALID);
  });

  it("E10: remembers a proof for a server whose clock is behind by the tolerance", async () => {
    const replayStore = createMemoryReplayStore({ clock });
    const call = await alice.call();
    await create({ replayStore }).check(call);
    const behind = { ...clock, nowMs: () => clock.nowMs() - TOLERANCE_MS };
    const slow = createDpopVerifier({ replayStore }, { clock: behind, toleranceMs: TOLERANCE_MS });
    await clock.advance(69 * SECOND);
    await expect(slow.check(call)).rejects.toMatchObject(REPLAYED);
    await clock.advance(SECOND);
    await expect(slow.check(call)).rejects.toMatchObject(INVALID);
  });

  it("E10: refuses a proof that grew too old while the store was asked: it may have forgotten it", async () => {
    const replayStore: ReplayStore = {
      async claim() {
        clock.setWallClock(clock.nowMs() + 65 * SECOND);
        return true;
      },
    };
    await expect(create({ replayStore }).check(await alice.call())).rejects.toMatchObject(INVALID);
  });

  it("E10, C2: refuses a used proof with the other signature that verifies", async () => {
    const verifier = create();
    const call = await alice.call();
    await verifier.check(call);
    const { header, payload, signature } = takeApart(call.proof ?? "");
    const s = BigInt(`0x${Buffer.from(signature.slice(32)).toString("hex")}`);
    const other = Buffer.from((P256_ORDER - s).toString(16).padStart(64, "0"), "hex");
    const proof = forge(header, payload, Buffer.concat([signature.slice(0, 32), other]));
    expect(proof).not.toBe(call.proof);
    await expect(verifier.check({ ...call, proof })).rejects.toMatchObject(REPLAYED);
  });

  it("E10: refuses a second proof with the jti of the first, and takes that of another key for another", async () => {
    const verifier = create();
    const claims = { jti: "same" };
    await verifier.check(await alice.call({ claims }));
    const later = { ...claims, iat: clock.nowMs() / SECOND - 1 };
    await expect(verifier.check(await alice.call({ claims: later }))).rejects.toMatchObject(REPLAYED);
    await expect(verifier.check(await mallory.call({ claims }))).resolves.toBeUndefined();
  });

  it("E10: asks the store for nothing that is refused anyway, so that strangers cannot fill it", async () => {
    const claimed: string[] = [];
    const replayStore: ReplayStore = { claim: (id) => claimed.push(id) > 0 };
    const verifier = create({ replayStore, requireNonce: true });
    const nonce = verifier.nonce();
    const good = await alice.call({ claims: { nonce } });
    const { header, payload } = takeApart(good.proof ?? "");
    for (const bad of [
      { ...good, proof: null },
      { ...good, proof: forge(header, payload, new Uint8Array(64)) },
      { ...good, method: "GET" },
      { ...good, token: "another" },
      { ...good, thumbprint: mallory.thumbprint },
      await alice.call(),
      await alice.call({ claims: { nonce, iat: 0 } }),
      await mallory.call({ claims: { nonce }, header: { jwk: alice.jwk } }),
    ]) {
      await expect(verifier.check(bad)).rejects.toMatchObject({ name: "TokenRejectedError" });
    }
    expect(claimed).toEqual([]);
    await verifier.check(good);
    expect(claimed).toEqual([expect.stringMatching(/^[\w-]{43}$/)]);
  });

  it("E10: refuses every call when the store fails, is slow, or has no room", async () => {
    const fail = async (): Promise<boolean> => {
      throw new Error("connection refused");
    };
    const unavailable = { name: "KeysUnavailableError", code: "ERR_REPLAY_UNAVAILABLE" };
    await expect(create({ replayStore: { claim: fail } }).check(await alice.call())).rejects.toMatchObject(unavailable);

    const asked = Promise.withResolvers<void>();
    const never = (): Promise<boolean> => {
      asked.resolve();
      return new Promise(() => {});
    };
    const slow = expect(create({ replayStore: { claim: never } }).check(await alice.call())).rejects.toMatchObject(
      unavailable,
    );
    await asked.promise;
    await clock.advance(250);
    await slow;

    const full = create({ replayStore: createMemoryReplayStore({ clock, maxEntries: 1 }) });
    await full.check(await alice.call());
    await expect(full.check(await alice.call())).rejects.toMatchObject({
      name: "KeysUnavailableError",
      code: "ERR_TOO_MANY_PENDING",
    });
    await clock.advance(71 * SECOND);
    await expect(full.check(await alice.call())).resolves.toBeUndefined();
  });

  it("gives no nonce, and minds none, unless it asks for them", async () => {
    const verifier = create();
    expect(verifier.nonce()).toBeUndefined();
    await expect(verifier.check(await alice.call({ claims: { nonce: "whatever" } }))).resolves.toBeUndefined();
  });

  it("asks for a recent nonce of its own", async () => {
    const verifier = create({ requireNonce: true, nonceLifetimeSeconds: 30 });
    const nonce = verifier.nonce();
    for (const wrong of [undefined, "", "x", 7, create({ requireNonce: true }).nonce()]) {
      await expect(verifier.check(await alice.call({ claims: { nonce: wrong } }))).rejects.toMatchObject(NONCE);
    }
    await expect(verifier.check(await alice.call({ claims: { nonce } }))).resolves.toBeUndefined();
    await clock.advance(34 * SECOND);
    await expect(verifier.check(await alice.call({ claims: { nonce } }))).resolves.toBeUndefined();
    await clock.advance(SECOND);
    await expect(verifier.check(await alice.call({ claims: { nonce } }))).rejects.toMatchObject(NONCE);
    await expect(verifier.check(await alice.call({ claims: { nonce: verifier.nonce() } }))).resolves.toBeUndefined();
  });

  it("accepts the nonces of a server with the same secret", async () => {
    const nonceSecret = crypto.getRandomValues(new Uint8Array(32));
    const nonce = create({ requireNonce: true, nonceSecret }).nonce();
    const other = create({ requireNonce: true, nonceSecret });
    await expect(other.check(await alice.call({ claims: { nonce } }))).resolves.toBeUndefined();
  });

  it("sends nobody for a nonce whose proof is no good otherwise", async () => {
    const verifier = create({ requireNonce: true });
    await expect(verifier.check(await alice.call({ claims: { iat: 0 } }))).rejects.toMatchObject(INVALID);
    const stolen = { ...(await mallory.call()), thumbprint: alice.thumbprint };
    await expect(verifier.check(stolen)).rejects.toMatchObject(INVALID);
  });

  it("imports no key and checks no signature before the nonce is found recent", async () => {
    const verifier = create({ requireNonce: true });
    const work = [vi.spyOn(crypto.subtle, "importKey"), vi.spyOn(crypto.subtle, "verify")];
    await expect(verifier.check(await alice.call())).rejects.toMatchObject(NONCE);
    for (const spy of work) expect(spy).not.toHaveBeenCalled();
    await verifier.check(await alice.call({ claims: { nonce: verifier.nonce() } }));
    for (const spy of work) expect(spy).toHaveBeenCalledOnce();
  });

  it("compares the URL with the origin by which callers know the service, and only with that", async () => {
    const verifier = create({ origin: "https://jobs.example" });
    const url = CALL.url.replace("https://jobs.example", "http://10.0.0.7:8080");
    await expect(verifier.check({ ...(await alice.call()), url })).resolves.toBeUndefined();
    const inner = await alice.call({ claims: { htu: url } });
    await expect(verifier.check({ ...inner, url })).rejects.toMatchObject(INVALID);
    await expect(create().check({ ...(await alice.call()), url })).rejects.toMatchObject(INVALID);
  });

  it("takes the age and the tolerance that it is given", async () => {
    const verifier = createDpopVerifier({ maxAgeSeconds: 2 }, { clock, toleranceMs: 0 });
    const now = clock.nowMs() / SECOND;
    for (const iat of [now - 1.999, now]) {
      await expect(verifier.check(await alice.call({ claims: { iat } }))).resolves.toBeUndefined();
    }
    for (const iat of [now - 2, now + 0.001]) {
      await expect(verifier.check(await alice.call({ claims: { iat } }))).rejects.toMatchObject(INVALID);
    }
  });

  it("turns away more signature checks than it may make at a time", async () => {
    const verifier = create({}, 2);
    const calls = await Promise.all(Array.from({ length: 8 }, () => alice.call()));
    await verifier.check(calls.pop() ?? (await alice.call()));
    const outcomes = await Promise.allSettled(calls.map((call) => verifier.check(call)));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused).toHaveLength(5);
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ name: "KeysUnavailableError", code: "ERR_TOO_MANY_PENDING" });
    }
  });

  it("does nothing for a caller who has left, and ends the wait of one who leaves", async () => {
    const asked = Promise.withResolvers<void>();
    let claims = 0;
    const replayStore: ReplayStore = {
      claim: () => {
        claims++;
        asked.resolve();
        return new Promise(() => {});
      },
    };
    const verifier = create({ replayStore });
    const call = await alice.call();
    const left = AbortSignal.abort(new Error("gone"));
    for (const proof of [call.proof, null]) {
      await expect(verifier.check({ ...call, proof }, left)).rejects.toThrow("gone");
    }
    expect(claims).toBe(0);
    const leaving = new AbortController();
    const outcome = expect(verifier.check(call, leaving.signal)).rejects.toThrow("gone");
    await asked.promise;
    leaving.abort(new Error("gone"));
    await outcome;
    expect(clock.pendingTimers).toBe(0);
  });

  it("names the option that cannot be used", () => {
    expect(() => create({ maxAgeSeconds: 0 })).toThrow(/^dpop\.maxAgeSeconds /);
  });
});
