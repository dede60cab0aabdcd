import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import type { VerifierOptions } from "../../src/verify/verifier-options.js";
import { takeApart } from "../support/forge.js";
import { peekVerified } from "../support/peek-verified.js";
import { addEd25519Order, negateEcdsa } from "../support/second-signature.js";

const BAD_SIGNATURE = { name: "TokenRejectedError", code: "ERR_TOKEN_SIGNATURE" };

// Anyone who has seen an ECDSA signature can make a second one of the same text. Nothing may hang on its bytes.
describe("a second signature of the same token", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let token: string;
  let second: string;

  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer({ clock });
    token = await issuer.mint();
    second = negateEcdsa(token);
  });

  function create(options: Partial<VerifierOptions> = {}): Verifier {
    return createVerifier({ issuers: [issuer.trusted()], clock, ...options });
  }

  it("C2: is another token of the same claims, and verifies for itself", async () => {
    expect(takeApart(second)).toMatchObject({ header: takeApart(token).header, payload: takeApart(token).payload });
    expect(takeApart(second).signature).not.toEqual(takeApart(token).signature);
    const verifier = create();
    const first = await verifier.verify(token);
    expect(peekVerified(verifier, token)).toBe(first);
    expect(peekVerified(create(), second)).toBeUndefined();
    expect(peekVerified(verifier, second)).toBeUndefined();
    const other = await verifier.verify(second);
    expect(other).toEqual(first);
    expect(other).not.toBe(first);
  });

  it("C2: is not spared by a revocation of the token, nor the token by one of it", async () => {
    for (const known of [token, second]) {
      const revoked = new Set<unknown>();
      const verifier = create({ revocation: { isRevoked: ({ jti }) => revoked.has(jti) } });
      await verifier.verify(known);
      await verifier.verify(known === token ? second : token);
      revoked.add(takeApart(known).payload["jti"]);
      for (const spelling of [token, second]) {
        await expect(verifier.verify(spelling)).rejects.toMatchObject({ code: "ERR_TOKEN_REVOKED" });
      }
    }
  });

  it("C2: is forgotten with the key of the token", async () => {
    const { issuer: name, audience, algorithms } = issuer;
    let found = issuer.jwks().keys.map((key) => ({ key }))[0];
    const verifier = create({ issuers: [{ issuer: name, audience, algorithms, findKey: async () => found }] });
    await verifier.verify(token);
    await verifier.verify(second);
    found = undefined;
    verifier.forgetKey(name, issuer.kid);
    for (const spelling of [token, second]) {
      expect(peekVerified(verifier, spelling)).toBeUndefined();
      await expect(verifier.verify(spelling)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    }
  });

  it("C2: expires when the token does", async () => {
    const verifier = create();
    await verifier.verify(token);
    await verifier.verify(second);
    await clock.advance(305_000);
    for (const spelling of [token, second]) {
      await expect(verifier.verify(spelling)).rejects.toMatchObject({ code: "ERR_TOKEN_EXPIRED" });
    }
  });

  it("C2: does the token no harm when it is bad", async () => {
    const verifier = create();
    const bad = `${second.slice(0, -2)}${second.endsWith("AA") ? "BA" : "AA"}`;
    for (let call = 0; call < 2; call++) await expect(verifier.verify(bad)).rejects.toMatchObject(BAD_SIGNATURE);
    await expect(verifier.verify(token)).resolves.toBeDefined();
    await expect(verifier.verify(second)).resolves.toBeDefined();
  });

  it("C2: is none with Ed25519, whose S + L is refused", async () => {
    const edwards = await createTestIssuer({ clock, algorithm: "EdDSA" });
    const verifier = create({ issuers: [edwards.trusted()] });
    for (let round = 0; round < 8; round++) {
      const signed = await edwards.mint();
      await expect(verifier.verify(addEd25519Order(signed))).rejects.toMatchObject(BAD_SIGNATURE);
      await expect(verifier.verify(signed)).resolves.toBeDefined();
    }
  });
});
