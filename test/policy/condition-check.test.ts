import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/policy/condition.js";
import { type ConditionCheck, createConditionCheck } from "../../src/policy/condition-check.js";
import { createDynamicMethod } from "../support/dynamic-methods.js";
import { createPrincipal } from "../support/principals.js";

const method = createDynamicMethod();
const access = { method: "dynamic.Service/Call", source: "code", policy: { condition: "…" } } as const;

function check(condition: Condition): ConditionCheck {
  const made = createConditionCheck(access, method, { compile: () => condition });
  if (made === undefined) throw new Error("there is a condition");
  return made;
}

function passes(apply: () => void): boolean {
  try {
    apply();
    return true;
  } catch (error) {
    expect(error).toMatchObject({ name: "AccessDeniedError", code: "ERR_CONDITION_NOT_MET" });
    return false;
  }
}

const ANSWERS: readonly unknown[] = [true, false, undefined, null, 1, "true", Promise.resolve(true), new Error("x")];
const THROWS = (): never => {
  throw new RangeError("secret of the caller");
};

describe("createConditionCheck()", () => {
  it("gives nothing for a policy without a condition", () => {
    expect(createConditionCheck({ ...access, policy: {} }, method, undefined)).toBeUndefined();
  });

  it("takes nothing but true from a condition about the caller", () => {
    const principal = createPrincipal();
    const answers = ANSWERS.map((answer) => {
      const { checkCaller, checkMessage } = check({ needsRequest: false, evaluate: () => answer });
      expect(checkMessage).toBeUndefined();
      return passes(() => checkCaller(principal));
    });
    expect(answers).toEqual(ANSWERS.map((answer) => answer === true));
    expect(passes(() => check({ needsRequest: false, evaluate: THROWS }).checkCaller(principal))).toBe(false);
  });

  it("takes nothing but true from a condition about a message, and only false as a verdict before there is one", () => {
    const principal = createPrincipal();
    const message = create(method.input);
    for (const answer of ANSWERS) {
      const { checkCaller, checkMessage } = check({ needsRequest: true, evaluate: () => answer });
      expect(passes(() => checkCaller(principal))).toBe(answer !== false);
      expect(passes(() => checkMessage?.(principal, message))).toBe(answer === true);
    }
    const failing = check({ needsRequest: true, evaluate: THROWS });
    expect(passes(() => failing.checkCaller(principal))).toBe(true);
    expect(passes(() => failing.checkMessage?.(principal, message))).toBe(false);
  });

  it("hands over the caller and the message", () => {
    const seen: unknown[] = [];
    const principal = createPrincipal();
    const message = create(method.input);
    const { checkCaller, checkMessage } = check({ needsRequest: true, evaluate: (...given) => seen.push(given) });
    checkCaller(principal);
    expect(passes(() => checkMessage?.(principal, message))).toBe(false);
    expect(seen).toEqual([
      [principal, undefined],
      [principal, message],
    ]);
  });

  it("names the method and the condition that cannot be compiled", () => {
    const compile = (): never => {
      throw new Error("it makes no sense");
    };
    expect(() => createConditionCheck(access, method, { compile })).toThrow(
      'dynamic.Service/Call: condition "…": it makes no sense',
    );
  });
});
