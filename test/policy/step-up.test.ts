import { describe, expect, it } from "vitest";
import { StepUpRequiredError } from "../../src/errors.js";
import type { AccessPolicy } from "../../src/policy/access-policy.js";
import { createStepUpCheck } from "../../src/policy/step-up.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createPrincipal } from "../support/principals.js";

const clock = createManualClock();
const nowSeconds = clock.nowMs() / 1_000;

/** Whether a caller with these claims has to authenticate again. */
function isAsked(policy: AccessPolicy, claims: Readonly<Record<string, unknown>>): boolean {
  const check = createStepUpCheck(policy, { clock, toleranceMs: 5_000 });
  try {
    check?.(createPrincipal({ claims }));
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(StepUpRequiredError);
    return true;
  }
}

describe("createStepUpCheck()", () => {
  it("gives nothing for a policy that demands nothing", () => {
    expect(createStepUpCheck({ anyRole: ["a"] }, { clock, toleranceMs: 0 })).toBeUndefined();
  });

  it("takes any of the contexts, as they are written", () => {
    const policy = { acrValues: ["phr", "mfa"] };
    expect(isAsked(policy, { acr: "mfa" })).toBe(false);
    for (const acr of [undefined, null, "", "MFA", "mfa ", "mfa phr", ["mfa"], { mfa: true }, 1]) {
      expect(isAsked(policy, { acr }), JSON.stringify(acr)).toBe(true);
    }
    expect(isAsked(policy, {})).toBe(true);
  });

  it("takes an authentication until it is older than the age and the tolerance", () => {
    const policy = { maxAgeSeconds: 60 };
    for (const age of [0, 60, 64.9, 65, -5])
      expect(isAsked(policy, { auth_time: nowSeconds - age }), `${age}`).toBe(false);
    for (const age of [65.1, 3_600]) expect(isAsked(policy, { auth_time: nowSeconds - age }), `${age}`).toBe(true);
  });

  it.each([
    ["is missing", {}],
    ["is a text", { auth_time: String(nowSeconds) }],
    ["is null", { auth_time: null }],
    ["is not finite", { auth_time: Number.POSITIVE_INFINITY }],
    ["is in milliseconds", { auth_time: clock.nowMs() }],
    ["is to come", { auth_time: nowSeconds + 6 }],
    ["is inherited", Object.create({ auth_time: nowSeconds })],
  ])("asks again when the time %s", (_, claims) => {
    expect(isAsked({ maxAgeSeconds: 60 }, claims)).toBe(true);
  });

  it("needs both where both are demanded, and tells the whole demand", () => {
    const policy = { acrValues: ["phr", "mfa"], maxAgeSeconds: 60 };
    expect(isAsked(policy, { acr: "mfa", auth_time: nowSeconds })).toBe(false);
    expect(isAsked(policy, { acr: "mfa" })).toBe(true);
    expect(isAsked(policy, { auth_time: nowSeconds })).toBe(true);
    const check = createStepUpCheck(policy, { clock, toleranceMs: 0 });
    expect(() => check?.(createPrincipal())).toThrow(expect.objectContaining(policy));
  });

  it("goes by the clock of the call, not of the start", async () => {
    const later = createManualClock();
    const check = createStepUpCheck({ maxAgeSeconds: 60 }, { clock: later, toleranceMs: 0 });
    const principal = createPrincipal({ claims: { auth_time: later.nowMs() / 1_000 } });
    expect(() => check?.(principal)).not.toThrow();
    await later.advance(60_001);
    expect(() => check?.(principal)).toThrow(StepUpRequiredError);
  });
});
