import { createHash } from "node:crypto";
import type { JSONWebKeySet } from "jose";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { TokenSender } from "../../src/verify/token-sender.js";
import type { FindKey, TrustedIssuer } from "../../src/verify/trusted-issuer.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import type { VerifierOptions } from "../../src/verify/verifier-options.js";
import { forge, takeApart } from "../support/forge.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { peekVerified } from "../support/peek-verified.js";
import { CALL, createProver, type Prover } from "../support/prover.js";
import { createTokenPress } from "../support/token-press.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };

describe("createVerifier()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let server: JwksServer;
  const open: Verifier[] = [];

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer({ clock });
    server = await startJwksServer(() => ({ body: issuer.jwks(), headers: { "cache-control": "max-age=60" } }));
  });
  afterEach(async () => {
    for (const verifier of open.splice(0)) await verifier[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function trust(of: TestIssuer, jwksUri: string, changes: Partial<TrustedIssuer> = {}): TrustedIssuer {
    const jwksOptions = { retries: 0, refreshJitterMs: 0 };
    const { issuer: name, audience } = of;
    return { issuer: name, audience, algorithms: ["ES256"], jwksUri, jwksOptions, ...changes };
  }
  function create(options: Partial<VerifierOptions> = {}): Verifier {
    const verifier = createVerifier({
      issuers: [trust(issuer, server.url)],
      allowLoopbackHttp: true,
      clock,
      ...options,
    });
    open.push(verifier);
    return verifier;
  }

  it("gives the caller that a token stands for", async () => {
    const claims = { scope: "jobs.read jobs.write", principal_id: "user-7", aud: [issuer.audience, "https://b.test"] };
    const principal = await create().verify(await issuer.mint({ claims }));
    expect(principal).toMatchObject({
      subject: "alice",
      principalId: "user-7",
      org: "acme",
      issuer: issuer.issuer,
      audience: [issuer.audience, "https://b.test"],
      kid: issuer.kid,
      expiresAtMs: (Math.floor(clock.nowMs() / SECOND) + 300) * SECOND,
      claims: { sub: "alice", org: "acme" },
    });
    expect([...principal.roles]).toEqual(["tester"]);
    expect([...principal.scopes]).toEqual(["jobs.read", "jobs.write"]);
  });

  it("does nothing for a caller who has left already", async () => {
    const signal = AbortSignal.abort(new Error("gone"));
    await expect(create().verify(await issuer.mint(), { signal })).rejects.toThrow("gone");
    expect(server.hits).toBe(0);
  });

  it("shares one verification between parallel calls with one token; each leaves on its own", async () => {
    const gate = Promise.withResolvers<void>();
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const verifier = create({ maxPendingVerifications: 1 });
    const token = await issuer.mint();
    const leaving = new AbortController();
    const first = verifier.verify(token, { signal: leaving.signal });
    const others = Array.from({ length: 50 }, () => verifier.verify(token));
    await server.reached(1);
    leaving.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    gate.resolve();
    expect(new Set(await Promise.all(others)).size).toBe(1);
    expect(server.hits).toBe(1);
  });

  it("H1: fetches once for 500 cold callers with tokens of their own", async () => {
    const verifier = create({ maxPendingVerifications: 500 });
    const tokens = await Promise.all(Array.from({ length: 500 }, () => issuer.mint()));
    const leaving = new AbortController();
    const [first, ...others] = tokens.map((token, index) =>
      verifier.verify(token, index === 0 ? { signal: leaving.signal } : {}),
    );
    leaving.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    await Promise.all(others);
    expect(server.hits).toBe(1);
  });

  it("H2: made-up kids take no place from good tokens, known or new", async () => {
    const verifier = create({ maxPendingVerifications: 2 });
    const known = await issuer.mint();
    await verifier.verify(known);
    const gate = Promise.withResolvers<void>();
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const made = await Promise.all(Array.from({ length: 20 }, (_, i) => issuer.mint({ header: { kid: `made-${i}` } })));
    const refused = Promise.allSettled(made.map((token) => verifier.verify(token)));
    await server.reached(2);
    await expect(verifier.verify(known)).resolves.toBeDefined();
    await expect(verifier.verify(await issuer.mint())).resolves.toBeDefined();
    gate.resolve();
    for (const result of await refused) expect(result).toMatchObject({ status: "rejected", reason: NOT_FOUND });
    expect(server.hits).toBe(2);
  });

  it("H6: cold and without keys, calls the token neither good nor bad", async () => {
    server.answer({ status: 500 });
    await expect(create().verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
  });

  it("E8: accepts nothing while keys cannot be had", async () => {
    server.answer({ status: 500 });
    const verifier = create();
    const { header, payload } = takeApart(await issuer.mint());
    await expect(verifier.verify(forge(header, payload, "signature"))).rejects.toMatchObject(UNAVAILABLE);
    await expect(verifier.verify(forge({ ...header, alg: "HS256" }, payload, "s"))).rejects.toMatchObject({
      code: "ERR_TOKEN_ALGORITHM",
    });
  });

  it("H7: past the stale window, refuses known tokens too, as unavailable; within it, none", async () => {
    const verifier = create({
      issuers: [
        trust(issuer, server.url, { jwksOptions: { retries: 0, maxTtlMs: MINUTE, staleWhileErrorMs: 2 * MINUTE } }),
      ],
    });
    const token = await issuer.mint({ lifetimeSeconds: 3_600 });
    const principal = await verifier.verify(token);
    server.answer({ status: 500 });
    await clock.advance(3 * MINUTE - 1);
    expect(await verifier.verify(token)).toBe(principal);
    await expect(verifier.verify(await issuer.mint())).resolves.toBeDefined();
    await clock.advance(1);
    await expect(verifier.verify(token)).rejects.toMatchObject(UNAVAILABLE);
  });

  describe("issuers apart", () => {
    let other: TestIssuer;
    let otherServer: JwksServer;

    beforeEach(async () => {
      other = await createTestIssuer({ clock, issuer: "https://other.test" });
      otherServer = await startJwksServer(() => ({ body: other.jwks() }));
      // The same kid with other keys.
      expect(other.kid).toBe(issuer.kid);
    });
    afterEach(() => otherServer[Symbol.asyncDispose]());

    it("E5: never verifies a token of one issuer with the key of another, in whichever order they are warm", async () => {
      const issuers = [trust(issuer, server.url), trust(other, otherServer.url)];
      for (const order of [
        [issuer, other],
        [other, issuer],
      ]) {
        const verifier = create({ issuers });
        for (const own of order) {
          const foreign = own === issuer ? other : issuer;
          const swapped = await own.mint({ claims: { iss: foreign.issuer } });
          const good = await own.mint();
          await Promise.all([
            expect(verifier.verify(swapped)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" }),
            expect(verifier.verify(good)).resolves.toMatchObject({ issuer: own.issuer }),
          ]);
          await expect(verifier.verify(swapped)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
        }
      }
    });

    it("E6: a kid that spells out another issuer's key is an unknown kid", async () => {
      const verifier = create({ issuers: [trust(issuer, server.url), trust(other, otherServer.url)] });
      await verifier.verify(await other.mint());
      for (const kid of [`ES256:${other.kid}:${other.issuer}`, `${other.issuer}:${other.kid}`, `0 ${other.kid}`]) {
        const refused = verifier.verify(await other.mint({ claims: { iss: issuer.issuer }, header: { kid } }));
        await expect(refused).rejects.toMatchObject({ name: "TokenRejectedError" });
      }
    });

    it("an outage of one does not touch the other", async () => {
      server.answer({ status: 500 });
      const verifier = create({ issuers: [trust(issuer, server.url), trust(other, otherServer.url)] });
      await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
      await expect(verifier.verify(await other.mint())).resolves.toBeDefined();
    });
  });

  describe("known tokens", () => {
    it("are answered with the same principal, without waiting", async () => {
      const verifier = create();
      const token = await issuer.mint();
      expect(peekVerified(verifier, token)).toBeUndefined();
      const principal = await verifier.verify(token);
      expect(peekVerified(verifier, token)).toBe(principal);
      expect(await verifier.verify(token)).toBe(principal);
      expect(peekVerified(verifier, "")).toBeUndefined();
      expect(peekVerified(verifier, "x".repeat(100_000))).toBeUndefined();
    });

    it("J1: share nothing with a token that differs in one character, or in its claims' order", async () => {
      const verifier = create();
      const token = await issuer.mint();
      await verifier.verify(token);
      // Of a spelling longer than all that is known nothing would be looked for.
      await verifier.verify(await issuer.mint({ claims: { note: "x".repeat(100) } }));
      const { header, payload, signature } = takeApart(token);
      const changed = forge(header, { ...payload, roles: ["admin"] }, signature);
      for (const spelling of [`${token}=`, ` ${token}`, `${token}\n`, token.replace(".", ". "), changed]) {
        expect(peekVerified(verifier, spelling)).toBeUndefined();
        await expect(verifier.verify(spelling)).rejects.toMatchObject({ name: "TokenRejectedError" });
      }
    });

    it("J2: expire while they are known", async () => {
      const verifier = create();
      const token = await issuer.mint({ lifetimeSeconds: 60 });
      await verifier.verify(token);
      const { expiresAtMs } = await verifier.verify(token);
      await clock.advance(expiresAtMs + 5 * SECOND - clock.nowMs() - 1);
      expect(peekVerified(verifier, token)).toBeDefined();
      await clock.advance(1);
      expect(peekVerified(verifier, token)).toBeUndefined();
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_EXPIRED" });
    });

    it.each(["nbf", "iat"])("J2: are not valid yet after the wall clock was set back: %s", async (name) => {
      const verifier = create();
      const claims = { nbf: undefined, iat: undefined, [name]: Math.floor(clock.nowMs() / SECOND) };
      const token = await issuer.mint({ claims });
      await verifier.verify(token);
      clock.setWallClock(clock.nowMs() - 10 * SECOND);
      expect(peekVerified(verifier, token)).toBeUndefined();
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_NOT_YET_VALID" });
    });

    it("D7: are verified anew after the longest age, whatever the wall clock did", async () => {
      const verifier = create({ tokenCache: { maxAgeMs: 10 * SECOND } });
      const token = await issuer.mint({ claims: { iat: undefined } });
      await verifier.verify(token);
      clock.setWallClock(clock.nowMs() - 60 * MINUTE);
      await clock.advance(10 * SECOND - 1);
      expect(peekVerified(verifier, token)).toBeDefined();
      await clock.advance(1);
      expect(peekVerified(verifier, token)).toBeUndefined();
      await expect(verifier.verify(token)).resolves.toBeDefined();
    });

    it("are known for five minutes unless configured otherwise", async () => {
      const verifier = create();
      const token = await issuer.mint({ lifetimeSeconds: 3_600 });
      await verifier.verify(token);
      await clock.advance(5 * MINUTE - 1);
      expect(peekVerified(verifier, token)).toBeDefined();
      await clock.advance(1);
      expect(peekVerified(verifier, token)).toBeUndefined();
    });

    it("J4, E9: are forgotten the moment their key leaves the issuer's set, and kept while it stays", async () => {
      const verifier = create();
      const old = await issuer.mint({ lifetimeSeconds: 3_600 });
      const principal = await verifier.verify(old);
      const removed = issuer.kid;
      await issuer.rotate();
      const next = await issuer.mint({ lifetimeSeconds: 3_600 });
      await verifier.verify(next);
      expect(peekVerified(verifier, old)).toBe(principal);
      issuer.remove(removed);
      // The next background refresh takes the key away, with no caller asking for anything.
      const hits = server.hits;
      await clock.advance(48 * SECOND);
      await server.reached(hits + 1);
      while (peekVerified(verifier, old) !== undefined) await clock.advance(0);
      expect(peekVerified(verifier, next)).toBeDefined();
      await expect(verifier.verify(old)).rejects.toMatchObject(NOT_FOUND);
    });

    it("are none with tokenCache: false", async () => {
      const verifier = create({ tokenCache: false });
      const token = await issuer.mint();
      const principal = await verifier.verify(token);
      expect(peekVerified(verifier, token)).toBeUndefined();
      expect(await verifier.verify(token)).not.toBe(principal);
    });

    it("J3: are no more than the limit, and never bad ones", async () => {
      const verifier = create({ tokenCache: { maxEntries: 3 } });
      const tokens = await Promise.all(Array.from({ length: 5 }, () => issuer.mint()));
      for (const token of tokens) await verifier.verify(token);
      expect(tokens.map((token) => peekVerified(verifier, token) !== undefined)).toEqual([
        false,
        false,
        true,
        true,
        true,
      ]);
      const { header, payload } = takeApart(await issuer.mint());
      for (let index = 0; index < 10; index++) {
        await expect(verifier.verify(forge(header, { ...payload, index }, "signature"))).rejects.toBeDefined();
      }
      expect(peekVerified(verifier, tokens[2] as string)).toBeDefined();
    });

    it("J3: are 10,000 of 12,000, the last ones, and none of 2,000 with bad signatures", async () => {
      const press = createTokenPress(clock.nowMs());
      const verifier = create({ issuers: [press.trusted] });
      const verifyAll = async (tokens: readonly string[]): Promise<number> => {
        let accepted = 0;
        for (let first = 0; first < tokens.length; first += 200) {
          const outcomes = await Promise.allSettled(tokens.slice(first, first + 200).map((t) => verifier.verify(t)));
          accepted += outcomes.filter(({ status }) => status === "fulfilled").length;
        }
        return accepted;
      };
      const good = press.press(12_000);
      expect(await verifyAll(good)).toBe(12_000);
      expect(await verifyAll(press.press(2_000).map((token) => `${token.slice(0, -86)}${"A".repeat(86)}`))).toBe(0);
      // All in one go: one that is not known is verified, and known after that.
      const known = good.map((token) => peekVerified(verifier, token) !== undefined);
      expect([known.indexOf(true), known.lastIndexOf(false)]).toEqual([2_000, 1_999]);
    }, 60_000);

    it("J5: a signature is bad for as long as its kid stands for the key that says so", async () => {
      const impostor = await createTestIssuer({ clock });
      expect(impostor.kid).toBe(issuer.kid);
      server.answer(() => ({ body: impostor.jwks() }));
      using jwks = createJwks(server.url, { allowLoopbackHttp: true, clock });
      const { issuer: name, audience } = issuer;
      const verifier = create({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], jwks }] });
      const token = await issuer.mint();
      for (let call = 0; call < 2; call++) {
        await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
      }
      server.answer(() => ({ body: issuer.jwks() }));
      await jwks.refresh();
      await expect(verifier.verify(token)).resolves.toBeDefined();
    });
  });

  describe("bad signatures", () => {
    /** Whose keys are found. */
    let published: TestIssuer;
    const findKey: FindKey = async (kid) => {
      const key = published.jwks().keys.find((member) => member.kid === kid);
      return key && { key };
    };
    const createWithLookUp = (options: Partial<VerifierOptions> = {}): Verifier => {
      const { issuer: name, audience } = issuer;
      const issuers = [
        { issuer: name, audience, algorithms: ["ES256"], findKey, findKeyMaxAgeMs: 60 * MINUTE },
      ] as const;
      return create({ issuers, ...options });
    };
    const BAD = { name: "TokenRejectedError", code: "ERR_TOKEN_SIGNATURE" };
    const mintBad = async (): Promise<string> => `${(await issuer.mint()).split(".", 2).join(".")}.${"A".repeat(86)}`;

    beforeEach(() => {
      published = issuer;
    });

    it("J5: cost one check, however often the token is sent", async () => {
      const verifier = createWithLookUp();
      const token = await mintBad();
      const checks = vi.spyOn(crypto.subtle, "verify");
      onTestFinished(() => checks.mockRestore());
      for (let call = 0; call < 5; call++) await expect(verifier.verify(token)).rejects.toMatchObject(BAD);
      expect(checks).toHaveBeenCalledTimes(1);
      // Another token is another matter, and so is the same one a minute later.
      await expect(verifier.verify(await mintBad())).rejects.toMatchObject(BAD);
      expect(checks).toHaveBeenCalledTimes(2);
      await clock.advance(60 * SECOND);
      await expect(verifier.verify(token)).rejects.toMatchObject(BAD);
      expect(checks).toHaveBeenCalledTimes(3);
    });

    it("J5: are checked anew once their key was replaced or forgotten", async () => {
      published = await createTestIssuer({ clock });
      expect(published.kid).toBe(issuer.kid);
      const verifier = createWithLookUp();
      const token = await issuer.mint();
      for (let call = 0; call < 2; call++) await expect(verifier.verify(token)).rejects.toMatchObject(BAD);
      published = issuer;
      verifier.forgetKey(issuer.issuer, issuer.kid);
      await expect(verifier.verify(token)).resolves.toMatchObject({ subject: "alice" });
    });

    it("J5: are no tokens that nobody could judge", async () => {
      let isDown = true;
      const find: FindKey = async (kid, options) => {
        if (isDown) throw new Error("ECONNREFUSED");
        return findKey(kid, options);
      };
      const { issuer: name, audience } = issuer;
      const verifier = create({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], findKey: find }] });
      const token = await issuer.mint();
      await expect(verifier.verify(token)).rejects.toMatchObject({ name: "KeysUnavailableError" });
      isDown = false;
      await expect(verifier.verify(token)).resolves.toBeDefined();
    });

    it("J5: are no tokens that came in when too many were checked", async () => {
      const verifier = createWithLookUp({ maxPendingVerifications: 1 });
      await verifier.verify(await issuer.mint());
      const tokens = await Promise.all(Array.from({ length: 4 }, () => issuer.mint()));
      const outcomes = await Promise.allSettled(tokens.map((token) => verifier.verify(token)));
      expect(outcomes.filter(({ status }) => status === "rejected")).not.toHaveLength(0);
      for (const token of tokens) await expect(verifier.verify(token)).resolves.toBeDefined();
    });

    it("J3: are remembered of few tokens, the last ones", async () => {
      const verifier = createWithLookUp();
      const first = await mintBad();
      await expect(verifier.verify(first)).rejects.toMatchObject(BAD);
      const { header, payload } = takeApart(first);
      const checks = vi.spyOn(crypto.subtle, "verify");
      onTestFinished(() => checks.mockRestore());
      let last = first;
      for (let index = 0; index < 500; index++) {
        last = forge(header, { ...payload, index }, new Uint8Array(64));
        await expect(verifier.verify(last)).rejects.toMatchObject(BAD);
      }
      expect(checks).toHaveBeenCalledTimes(500);
      await expect(verifier.verify(last)).rejects.toMatchObject(BAD);
      expect(checks).toHaveBeenCalledTimes(500);
      await expect(verifier.verify(first)).rejects.toMatchObject(BAD);
      expect(checks).toHaveBeenCalledTimes(501);
    });
  });

  describe("revocation", () => {
    it.each([
      [{ revocaton: {} }, "options.revocaton is not an option"],
      [{ tokenCache: { max: 1 } }, "tokenCache.max is not an option"],
      [{ revocationOptions: { timeout: 1 } }, "revocationOptions.timeout is not an option"],
      [{ telemetry: {} }, "telemetry.count must be a function, got undefined"],
    ])("refuses a misspelt option, which would switch something off: %j", (options, message) => {
      expect(() => create(options as Partial<VerifierOptions>)).toThrow(new TypeError(message));
    });

    it("refuses options about it when nobody is asked", () => {
      expect(() => create({ revocationOptions: {} })).toThrow("revocationOptions has no effect without revocation");
    });

    const REVOKED = { name: "TokenRejectedError", code: "ERR_TOKEN_REVOKED" };

    it.each<readonly [string, (isRevoked: boolean) => boolean | Promise<boolean>]>([
      ["at once", (isRevoked) => isRevoked],
      ["later", async (isRevoked) => isRevoked],
    ])("E12: is asked about known tokens too, by a store that answers %s", async (_, answer) => {
      const revoked = new Set<string | undefined>();
      const verifier = create({ revocation: { isRevoked: ({ jti }) => answer(revoked.has(jti)) } });
      const [token, other] = await Promise.all(["a", "b"].map((jti) => issuer.mint({ claims: { jti } })));
      if (token === undefined || other === undefined) throw new Error("no tokens");
      await verifier.verify(token);
      await verifier.verify(token);
      revoked.add("a");
      await expect(verifier.verify(token)).rejects.toMatchObject(REVOKED);
      await expect(verifier.recheck(token)).rejects.toMatchObject(REVOKED);
      await expect(verifier.verify(other)).resolves.toBeDefined();
      revoked.clear();
      await expect(verifier.verify(token)).resolves.toBeDefined();
    });

    it("E12: refuses known tokens as unavailable while nobody can say", async () => {
      let isDown = false;
      const isRevoked = async (): Promise<boolean> => {
        if (isDown) throw new Error("ECONNREFUSED");
        return false;
      };
      const verifier = create({ revocation: { isRevoked } });
      const token = await issuer.mint();
      await verifier.verify(token);
      isDown = true;
      for (const call of [verifier.verify(token), verifier.recheck(token)]) {
        await expect(call).rejects.toMatchObject({ code: "ERR_REVOCATION_UNAVAILABLE" });
      }
    });
  });

  describe("bound tokens", () => {
    let prover: Prover;
    beforeEach(async () => {
      prover = await createProver(clock);
    });

    /** How a token comes with a proof of its key, one for each call of this. */
    async function prove(token: string): Promise<TokenSender & { readonly scheme: "DPoP" }> {
      const { method, url } = CALL;
      const ath = createHash("sha256").update(token).digest("base64url");
      return { scheme: "DPoP", request: { method, url, proof: await prover.prove({ claims: { ath } }) } };
    }
    const mintBound = (): Promise<string> => issuer.mint({ claims: { cnf: { jkt: prover.thumbprint } } });

    it("E11: need a new proof for each call, known or not", async () => {
      const verifier = create({ dpop: {} });
      const token = await mintBound();
      const sender = await prove(token);
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_BOUND" });
      await expect(verifier.verify(token, { sender })).resolves.toBeDefined();
      await expect(verifier.verify(token, { sender })).rejects.toMatchObject({ code: "ERR_PROOF_REPLAYED" });
      await expect(verifier.verify(token, { sender: await prove(token) })).resolves.toBeDefined();
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_BOUND" });
    });

    it.each([true, false])("E12: use up no proof while they are revoked (asked later: %s)", async (isLater) => {
      let isRevoked = true;
      const revocation = { isRevoked: () => (isLater ? Promise.resolve(isRevoked) : isRevoked) };
      const verifier = create({ dpop: {}, revocation });
      const token = await mintBound();
      const sender = await prove(token);
      await expect(verifier.verify(token, { sender })).rejects.toMatchObject({ code: "ERR_TOKEN_REVOKED" });
      isRevoked = false;
      await expect(verifier.verify(token, { sender })).resolves.toBeDefined();
    });

    it("need no proof when a call that goes on is checked again", async () => {
      const verifier = create({ dpop: {} });
      const token = await mintBound();
      const principal = await verifier.verify(token, { sender: await prove(token) });
      expect(await verifier.recheck(token)).toBe(principal);
      await expect(create().recheck(token)).resolves.toMatchObject({ subject: "alice" });
    });

    it("E11: are the only ones taken of an issuer whose tokens must be bound", async () => {
      const verifier = create({ dpop: {}, issuers: [trust(issuer, server.url, { requireBoundTokens: true })] });
      const [bound, unbound] = [await mintBound(), await issuer.mint()];
      await expect(verifier.verify(bound, { sender: await prove(bound) })).resolves.toBeDefined();
      for (const sender of [await prove(unbound), { scheme: "Bearer" } as const]) {
        await expect(verifier.verify(unbound, { sender })).rejects.toMatchObject({ code: "ERR_TOKEN_BOUND" });
      }
    });
  });

  it("counts outcomes by code and configured issuer alone", async () => {
    const counted: (readonly [string, object | undefined])[] = [];
    const telemetry = {
      count: (name: string, labels?: object) => void counted.push([name, labels]),
      record() {},
    };
    const verifier = create({ telemetry });
    const token = await issuer.mint();
    await verifier.verify(token);
    await verifier.verify(await issuer.mint({ claims: { iss: "https://stranger.test" } })).catch(() => {});
    expect(counted.filter(([name]) => name === "latchkey.verify.tokens")).toEqual([
      ["latchkey.verify.tokens", { issuer: issuer.issuer, outcome: "ok" }],
      ["latchkey.verify.tokens", { outcome: "ERR_TOKEN_ISSUER" }],
    ]);
  });

  it("takes keys from a cache of one's own, and leaves it alone when it ends", async () => {
    using jwks = createJwks(server.url, { allowLoopbackHttp: true, clock });
    const { issuer: name, audience } = issuer;
    const verifier = create({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], jwks }] });
    await verifier.verify(await issuer.mint());
    await verifier[Symbol.asyncDispose]();
    expect(jwks.status().usable).toBe(true);
  });

  it("ends its timers and requests when disposed", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    expect(clock.pendingTimers).toBe(1);
    await verifier[Symbol.asyncDispose]();
    expect(clock.pendingTimers).toBe(0);
    await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
  });

  describe("static keys", () => {
    const withKeys = (keys: unknown): Verifier =>
      create({
        issuers: [
          { issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], keys: keys as JSONWebKeySet },
        ],
      });

    it("verify tokens without any request", async () => {
      const verifier = withKeys(issuer.jwks());
      const token = await issuer.mint();
      const principal = await verifier.verify(token);
      expect(peekVerified(verifier, token)).toBe(principal);
      await expect(verifier.verify(await issuer.mint({ header: { kid: "other" } }))).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(0);
    });

    it("are copied: a later change of the set given changes nothing", async () => {
      const keys = structuredClone(issuer.jwks());
      const verifier = withKeys(keys);
      keys.keys.length = 0;
      await expect(verifier.verify(await issuer.mint())).resolves.toBeDefined();
    });
  });
});
