import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import {
  createPolledRevocation,
  createRevocationList,
  createStoredRevocation,
  createVerifier,
  type Revocation,
  type RevocationEntry,
  type Verifier,
  type VerifierOptions,
} from "../../src/verify.js";

const REVOKED = { name: "TokenRejectedError", code: "ERR_TOKEN_REVOKED" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REVOCATION_UNAVAILABLE" };

/** A way to revoke, and to have it known. */
interface Mechanism {
  readonly revocation: Revocation;
  revoke(entry: RevocationEntry): Promise<void>;
}

const MECHANISMS: Readonly<Record<string, (clock: ManualClock) => Mechanism>> = {
  createRevocationList(clock) {
    const revocation = createRevocationList({ clock });
    return { revocation, revoke: async (entry) => revocation.revoke(entry) };
  },
  createPolledRevocation(clock) {
    const entries: RevocationEntry[] = [];
    const revocation = createPolledRevocation(async () => entries, { clock });
    return {
      revocation,
      async revoke(entry) {
        entries.push(entry);
        await clock.advance(30_000);
      },
    };
  },
  createStoredRevocation(clock) {
    const revocation = createStoredRevocation(new Map(), { clock });
    return { revocation, revoke: revocation.revoke };
  },
};

describe("Revocation", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  /** How often a key was asked for: once per token whose signature is checked. */
  let cold: number;

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer({ clock });
    cold = 0;
  });
  afterEach(() => expect(clock.pendingTimers).toBeLessThanOrEqual(1));

  function create(revocation: Revocation, options: Partial<VerifierOptions> = {}): Verifier {
    const [key] = issuer.jwks().keys;
    const findKey = async () => {
      cold++;
      return key && { key };
    };
    const { issuer: name, audience } = issuer;
    return createVerifier({
      issuers: [{ issuer: name, audience, algorithms: ["ES256"], findKey, findKeyMaxAgeMs: 3_600_000 }],
      revocation,
      clock,
      ...options,
    });
  }
  const nowSeconds = (): number => clock.nowMs() / 1_000;

  describe.each(Object.entries(MECHANISMS))("by %s()", (_, createMechanism) => {
    let mechanism: Mechanism;
    let verifier: Verifier;

    beforeEach(async () => {
      mechanism = createMechanism(clock);
      verifier = create(mechanism.revocation);
      await clock.advance(0);
    });
    const all = { kid: () => issuer.kid, jti: () => "token-1" };

    it.each<readonly [string, () => RevocationEntry]>([
      ["its token", () => ({ issuer: issuer.issuer, jti: all.jti() })],
      ["its key", () => ({ issuer: issuer.issuer, kid: all.kid() })],
      ["its subject", () => ({ issuer: issuer.issuer, subject: "alice", issuedBefore: nowSeconds() })],
    ])(
      "E12: refuses the second of two calls when %s is revoked between them, without a look at the signature",
      async (_name, entry) => {
        const token = await issuer.mint({ claims: { jti: "token-1" } });
        expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
        await mechanism.revoke(entry());
        await expect(verifier.verify(token)).rejects.toMatchObject(REVOKED);
        await expect(verifier.recheck(token)).rejects.toMatchObject(REVOKED);
        expect(cold).toBe(1);
      },
    );

    it("E12: refuses a revoked token that it has never seen", async () => {
      const token = await issuer.mint({ claims: { jti: "token-1" } });
      await mechanism.revoke({ issuer: issuer.issuer, jti: "token-1" });
      await expect(verifier.verify(token)).rejects.toMatchObject(REVOKED);
      await expect(create(mechanism.revocation, { tokenCache: false }).verify(token)).rejects.toMatchObject(REVOKED);
    });

    it("accepts other tokens, and a new one of a subject whose tokens were revoked", async () => {
      await mechanism.revoke({ issuer: issuer.issuer, jti: "token-1" });
      await mechanism.revoke({ issuer: issuer.issuer, subject: "alice", issuedBefore: nowSeconds() });
      await mechanism.revoke({ issuer: "https://other.test", kid: issuer.kid });
      await clock.advance(1_000);
      expect(await verifier.verify(await issuer.mint())).toMatchObject({ subject: "alice" });
    });
  });

  it("E12: refuses a token that it knows while nobody can say, and accepts it again after", async () => {
    let isDown = false;
    const verifier = create({
      async isRevoked() {
        if (isDown) throw new Error("ECONNREFUSED");
        return false;
      },
    });
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
    isDown = true;
    await expect(verifier.verify(token)).rejects.toMatchObject(UNAVAILABLE);
    isDown = false;
    expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
    expect(cold).toBe(1);
  });

  it("E12: waits no longer than it is told to, and accepts without an answer only if it is told so", async () => {
    let asked = 0;
    const silent: Revocation = {
      isRevoked() {
        asked++;
        return new Promise(() => {});
      },
    };
    const token = await issuer.mint();
    const strict = create(silent, { revocationOptions: { timeoutMs: 40 } });
    const lenient = create(silent, { revocationOptions: { timeoutMs: 40, onUnavailable: "accept" } });
    const ended = Promise.allSettled([strict.verify(token), lenient.verify(token)]);
    // Signatures are checked by the machine's own time.
    while (asked < 2) await clock.advance(0);
    await clock.advance(40);
    expect(await ended).toMatchObject([
      { status: "rejected", reason: UNAVAILABLE },
      { status: "fulfilled", value: { subject: "alice" } },
    ]);
  });

  it("E12: asks for no token that is refused anyway", async () => {
    let asked = 0;
    const verifier = create({
      isRevoked() {
        asked++;
        return false;
      },
    });
    const stranger = await createTestIssuer({ clock });
    for (const token of [await stranger.mint(), await issuer.mint({ lifetimeSeconds: -60 }), "a.b.c"]) {
      await expect(verifier.verify(token)).rejects.toMatchObject({ name: "TokenRejectedError" });
    }
    expect(asked).toBe(0);
  });
});
