import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Confirmation } from "../../src/verify/confirmation.js";
import { createDpopVerifier } from "../../src/verify/dpop-verifier.js";
import { BEARER, checkSender, type TokenSender } from "../../src/verify/token-sender.js";
import { CALL, createProver } from "../support/prover.js";

const BOUND = { name: "TokenRejectedError", code: "ERR_TOKEN_BOUND" };
const CERTIFICATE = "c".repeat(43);

const clock = createManualClock();
const prover = await createProver(clock);
const dpop = createDpopVerifier({}, { clock, toleranceMs: 5_000 });

/** What a token demands; nothing unless given. */
function confirm(parts: Partial<Confirmation>): Confirmation {
  return { keyThumbprint: undefined, certificateThumbprint: undefined, ...parts };
}

/** A sender that proves the key, with the certificate given. */
async function prove(certificate?: string): Promise<TokenSender> {
  const request = { proof: await prover.prove(), method: CALL.method, url: CALL.url };
  return { scheme: "DPoP", certificateThumbprint: () => certificate, request };
}

/** Gives nothing when the sender may send the token, or else the refusal. */
async function check(
  confirmation: Confirmation | undefined,
  sender: TokenSender,
  { mustBeBound = false, checker = dpop as typeof dpop | null } = {},
): Promise<unknown> {
  try {
    await checkSender({ token: CALL.token, confirmation, mustBeBound }, sender, checker ?? undefined, undefined);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("checkSender()", () => {
  it("takes an unbound token from any bearer, at once, unless its issuer's tokens must be bound", async () => {
    const token = { token: CALL.token, confirmation: undefined, mustBeBound: false };
    expect(checkSender(token, BEARER, undefined, undefined)).toBeUndefined();
    expect(await check(undefined, BEARER, { mustBeBound: true })).toMatchObject(BOUND);
  });

  it("E11: refuses an unbound token with a proof, which proves nothing about it", async () => {
    expect(await check(undefined, await prove())).toMatchObject(BOUND);
  });

  it("E11: takes a token bound to a certificate over a connection with that one alone", async () => {
    const bound = confirm({ certificateThumbprint: CERTIFICATE });
    const over = (shown: string | undefined): TokenSender => ({ ...BEARER, certificateThumbprint: () => shown });
    for (const mustBeBound of [false, true]) {
      expect(await check(bound, over(CERTIFICATE), { mustBeBound })).toBeUndefined();
    }
    for (const sender of [BEARER, over(undefined), over(""), over(`${CERTIFICATE}=`), over("d".repeat(43))]) {
      expect(await check(bound, sender)).toMatchObject(BOUND);
    }
    expect(await check(bound, await prove(CERTIFICATE))).toMatchObject(BOUND);
  });

  it("E11: takes a token bound to a key with a proof alone", async () => {
    const bound = confirm({ keyThumbprint: prover.thumbprint });
    const sender = await prove();
    expect(await check(bound, sender)).toBeUndefined();
    expect(await check(bound, sender)).toMatchObject({ code: "ERR_PROOF_REPLAYED" });
    expect(await check(bound, BEARER)).toMatchObject(BOUND);
    expect(await check(bound, { ...(await prove()), scheme: "Bearer" })).toMatchObject(BOUND);
    expect(await check(bound, { scheme: "DPoP" })).toMatchObject(BOUND);
    expect(await check(bound, await prove(), { checker: null })).toMatchObject(BOUND);
  });

  it("E11: takes no proof for another token, nor of another key", async () => {
    const stranger = await createProver(clock);
    expect(await check(confirm({ keyThumbprint: stranger.thumbprint }), await prove())).toMatchObject({
      code: "ERR_PROOF_INVALID",
    });
    const request = {
      proof: await prover.prove({ claims: { ath: "a".repeat(43) } }),
      method: CALL.method,
      url: CALL.url,
    };
    expect(await check(confirm({ keyThumbprint: prover.thumbprint }), { scheme: "DPoP", request })).toMatchObject({
      code: "ERR_PROOF_INVALID",
    });
  });

  it("E11: demands both where a token is bound to both, and uses up no proof over a wrong connection", async () => {
    const bound = confirm({ keyThumbprint: prover.thumbprint, certificateThumbprint: CERTIFICATE });
    const { request, scheme } = await prove();
    if (request === undefined) throw new Error("nothing is proven");
    expect(await check(bound, { scheme, request })).toMatchObject(BOUND);
    expect(await check(bound, { scheme: "Bearer", certificateThumbprint: () => CERTIFICATE })).toMatchObject(BOUND);
    expect(await check(bound, { scheme, request, certificateThumbprint: () => CERTIFICATE })).toBeUndefined();
  });
});
