import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { AccessPolicy } from "../../src/policy/access-policy.js";
import type { Condition } from "../../src/policy/condition.js";
import { createMethodRule, type MethodRule } from "../../src/policy/method-rule.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Principal } from "../../src/token/principal.js";
import { createDynamicMethod } from "../support/dynamic-methods.js";
import { createPrincipal } from "../support/principals.js";

const method = createDynamicMethod();
const input: DescMessage = method.input;

const clock = createManualClock();

/** Conditions are functions here, under the text of the policy. */
function createRule(policy: AccessPolicy, condition?: Condition): MethodRule {
  const conditions = condition && { compile: () => condition };
  const options = { conditions, clock, toleranceMs: 5_000 };
  return createMethodRule({ method: "dynamic.Service/Call", source: "code", policy }, method, options);
}

/** The code that a caller is refused with; undefined when the caller passes. */
function refusal(policy: AccessPolicy, overrides: Partial<Principal>, message?: Message): unknown {
  const rule = createRule(policy);
  try {
    if (message === undefined) rule.checkCaller(createPrincipal(overrides));
    else rule.checkMessage?.(createPrincipal(overrides), message);
    return undefined;
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
}

describe("createMethodRule()", () => {
  it("admits every caller when the policy is empty, and has nothing to do per message", () => {
    expect(refusal({}, { org: undefined, roles: new Set() })).toBeUndefined();
    expect(createRule({}).checkMessage).toBeUndefined();
    expect(createRule({}).isPublic).toBe(false);
  });

  it("asks for any of some roles, for all of others, and for all scopes", () => {
    const roles = (...names: string[]): Partial<Principal> => ({ roles: new Set(names) });
    expect(refusal({ anyRole: ["a", "b"] }, roles("b"))).toBeUndefined();
    expect(refusal({ anyRole: ["a", "b"] }, roles("c"))).toBe("ERR_ROLE_MISSING");
    expect(refusal({ allRoles: ["a", "b"] }, roles("a", "b", "c"))).toBeUndefined();
    expect(refusal({ allRoles: ["a", "b"] }, roles("a"))).toBe("ERR_ROLE_MISSING");
    expect(refusal({ scopes: ["x", "y"] }, { scopes: new Set(["x", "y"]) })).toBeUndefined();
    expect(refusal({ scopes: ["x", "y"] }, { scopes: new Set(["x"]) })).toBe("ERR_SCOPE_MISSING");
  });

  it("combines the fields with AND", () => {
    const policy: AccessPolicy = { anyRole: ["tester"], scopes: ["x"], orgs: ["acme"] };
    expect(refusal(policy, { scopes: new Set(["x"]) })).toBeUndefined();
    expect(refusal(policy, { scopes: new Set(["x"]), roles: new Set() })).toBe("ERR_ROLE_MISSING");
    expect(refusal(policy, {})).toBe("ERR_SCOPE_MISSING");
    expect(refusal(policy, { scopes: new Set(["x"]), org: "evil" })).toBe("ERR_ORG_MISMATCH");
  });

  it.each(["Tester", "tester ", "tester\0", "super-tester", "test", ""])(
    "F1: a role %j is not the role asked for",
    (role) => {
      expect(refusal({ anyRole: ["tester"] }, { roles: new Set([role]) })).toBe("ERR_ROLE_MISSING");
    },
  );

  it("F2: refuses a caller without organisation before any message, when the rule needs one", () => {
    for (const org of [undefined, ""]) {
      expect(refusal({ orgField: "org_id" }, { org })).toBe("ERR_ORG_MISSING");
      expect(refusal({ orgs: ["acme"] }, { org })).toBe("ERR_ORG_MISSING");
    }
  });

  it.each(["", "*", "ACME", "acme ", "acm", "acme-evil", "acme\0", "аcme", "undefined"])(
    "F2: refuses a message that names the organisation %j",
    (orgId) => {
      expect(refusal({ orgField: "org_id" }, {}, create(input, { orgId }))).toBe("ERR_ORG_MISMATCH");
    },
  );

  it("F2: two absent organisations are not the same one", () => {
    expect(refusal({ orgField: "job.org_id" }, { org: undefined }, create(input))).toBe("ERR_ORG_MISMATCH");
    expect(refusal({ orgField: "org_id" }, { org: "" }, create(input))).toBe("ERR_ORG_MISMATCH");
  });

  it("lets a message pass that names the caller's organisation", () => {
    expect(refusal({ orgField: "org_id" }, {}, create(input, { orgId: "acme" }))).toBeUndefined();
  });

  it("asks allow() with the caller, and again with each message", () => {
    const seen: unknown[] = [];
    const rule = createRule({
      allow(principal, request) {
        seen.push([principal.subject, request]);
        return request === undefined;
      },
    });
    const message = create(input);
    rule.checkCaller(createPrincipal());
    expect(() => rule.checkMessage?.(createPrincipal(), message)).toThrow(
      expect.objectContaining({ code: "ERR_CONDITION_NOT_MET" }),
    );
    expect(seen).toEqual([
      ["alice", undefined],
      ["alice", message],
    ]);
  });

  it("refuses when allow() gives anything but true, a promise too", () => {
    for (const answer of [false, undefined, 1, "true", Promise.resolve(true)]) {
      const allow = (() => answer) as unknown as () => boolean;
      expect(refusal({ allow }, {})).toBe("ERR_CONDITION_NOT_MET");
    }
  });

  it("applies a condition about the caller alone to the caller alone", () => {
    const isAlice: Condition = { needsRequest: false, evaluate: ({ subject }) => subject === "alice" };
    const rule = createRule({ condition: "…" }, isAlice);
    expect(rule.checkMessage).toBeUndefined();
    expect(() => rule.checkCaller(createPrincipal())).not.toThrow();
    expect(() => rule.checkCaller(createPrincipal({ subject: "bob" }))).toThrow(
      expect.objectContaining({ code: "ERR_CONDITION_NOT_MET" }),
    );
  });

  it("asks a caller to authenticate again only who may call apart from that", () => {
    const policy: AccessPolicy = { anyRole: ["tester"], orgs: ["acme"], acrValues: ["mfa"] };
    expect(refusal(policy, { roles: new Set() })).toBe("ERR_ROLE_MISSING");
    expect(refusal(policy, { org: "other" })).toBe("ERR_ORG_MISMATCH");
    expect(refusal({ ...policy, allow: () => false }, {})).toBe("ERR_CONDITION_NOT_MET");
    expect(refusal(policy, {})).toBe("ERR_STEP_UP_REQUIRED");
    expect(refusal(policy, { claims: { acr: "mfa" } })).toBeUndefined();
    const never: Condition = { needsRequest: false, evaluate: () => false };
    expect(() => createRule({ ...policy, condition: "…" }, never).checkCaller(createPrincipal())).toThrow(
      expect.objectContaining({ code: "ERR_CONDITION_NOT_MET" }),
    );
  });

  it("never puts the caller's or the message's values into an error", () => {
    const rule = createRule({ orgField: "org_id", anyRole: ["tester"] });
    const caller = createPrincipal({ org: "secret-org", roles: new Set(["secret-role"]) });
    for (const check of [
      () => rule.checkCaller(caller),
      () => rule.checkMessage?.(caller, create(input, { orgId: "secret-other" })),
    ]) {
      expect(check).toThrow(expect.objectContaining({ message: expect.not.stringContaining("secret") }));
    }
  });
});
