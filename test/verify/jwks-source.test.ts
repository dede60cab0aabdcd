import { beforeEach, describe, expect, it } from "vitest";
import type { Jwks } from "../../src/jwks/jwks.js";
import { importVerificationKey } from "../../src/jwks/verification-key.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier } from "../../src/verify/verifier.js";

/** A key cache whose answers a test gives by hand. */
interface SlowJwks {
  readonly jwks: Jwks;
  readonly answers: PromiseWithResolvers<CryptoKey>[];
  /** Tells that the set was replaced. */
  change(): void;
  readonly listeners: Set<() => void>;
}

function createSlowJwks(): SlowJwks {
  const answers: PromiseWithResolvers<CryptoKey>[] = [];
  const listeners = new Set<() => void>();
  const getKey = (): Promise<CryptoKey> => {
    const answer = Promise.withResolvers<CryptoKey>();
    answers.push(answer);
    return answer.promise;
  };
  const members: Partial<Jwks> = {
    getKey,
    peekKey: () => undefined,
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const change = (): void => {
    for (const listener of listeners) listener();
  };
  return { jwks: Object.assign(getKey, members) as unknown as Jwks, answers, listeners, change };
}

describe("createJwksSource()", () => {
  let issuer: TestIssuer;

  beforeEach(async () => {
    issuer = await createTestIssuer();
  });

  it("J4: whoever comes after the set was replaced does not share a verification that began before", async () => {
    const { jwks, answers, change } = createSlowJwks();
    const { issuer: name, audience } = issuer;
    const verifier = createVerifier({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], jwks }] });
    const token = await issuer.mint();
    const before = verifier.verify(token);
    const sharing = verifier.verify(token);
    expect(answers).toHaveLength(1);
    change();
    const after = verifier.verify(token);
    expect(answers).toHaveLength(2);
    const key = await importVerificationKey(issuer.jwks().keys[0]);
    answers[0]?.resolve(await (key.key("ES256") as CryptoKey));
    expect(await before).toBe(await sharing);
    answers[1]?.reject(new Error("gone"));
    await expect(after).rejects.toThrow("gone");
  });

  it("stops listening to a key cache of another's, and leaves it running", async () => {
    const { jwks, listeners } = createSlowJwks();
    const { issuer: name, audience } = issuer;
    const verifier = createVerifier({ issuers: [{ issuer: name, audience, algorithms: ["ES256"], jwks }] });
    expect(listeners.size).toBe(1);
    await verifier[Symbol.asyncDispose]();
    expect(listeners.size).toBe(0);
  });
});
