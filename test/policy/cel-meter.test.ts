import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { celConditions } from "../../src/cel.js";
import { createConditionMethod } from "../support/condition-method.js";
import { createPrincipal } from "../support/principals.js";

const method = createConditionMethod();
const input: DescMessage = method.input;
const conditions = celConditions();

function evaluate(source: string, request: MessageInitShape<typeof input>): unknown {
  return conditions.compile(source, method).evaluate(createPrincipal(), create(input, request));
}

function texts(count: number, prefix = "item"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

describe("createMeter()", () => {
  it("has steps enough for a simple test of 9,000 entries", () => {
    expect(evaluate("request.texts.all(text, text != 'x')", { texts: texts(9_000) })).toBe(true);
  });

  // Without a bound each of these takes from many seconds to days.
  it.each([
    ["a loop in a loop", "request.texts.all(a, request.texts.all(b, a != b || a == b))"],
    ["a loop in a loop that ends at once", "request.texts.all(a, request.texts.exists(b, true))"],
    ["a look through a list in a loop", "request.texts.all(a, !(a in request.others))"],
    ["a comparison of lists in a loop", "request.texts.all(a, request.texts != request.others)"],
    ["a search of a long text in a loop", "request.texts.all(a, !request.text.contains(a))"],
    ["a match of a long text in a loop", "request.texts.all(a, !request.text.matches('^(a|b)*$'))"],
    ["JSON in a loop", "request.texts.all(a, !has(request.json.missing))"],
    ["a loop of failures", "request.texts.all(a, principal.claims[a] == a)"],
    ["a loop of conversions that fail", "request.texts.all(a, timestamp(a) == principal.expires_at)"],
    ["a loop of time zones", "request.texts.all(a, principal.expires_at.getHours(a) == 1)"],
    ["a loop through what a loop has made", "request.texts.map(a, a).all(b, request.texts.map(c, c).size() > 0)"],
    ["a number of a million digits", "int(request.text) > 0"],
  ])("refuses %s that takes too many steps", (_, source) => {
    const json = Object.fromEntries(texts(2_000).map((name) => [name, name]));
    const request = { texts: texts(40_000), others: texts(40_000, "other"), text: "9".repeat(1_000_000), json };
    expect(evaluate(source, request)).toBeUndefined();
  });

  it("refuses though another part of the expression would admit", () => {
    const request = { texts: texts(5_000) };
    expect(evaluate("request.texts.all(a, request.texts.all(b, true)) || true", request)).toBeUndefined();
    expect(evaluate("int(request.text) > 0 || true", { text: "9".repeat(200) })).toBeUndefined();
  });

  it("counts each evaluation anew", () => {
    const condition = conditions.compile("request.texts.all(text, text != 'x')", method);
    const principal = createPrincipal();
    const small = create(input, { texts: texts(9_000) });
    const large = create(input, { texts: texts(90_000) });
    expect([small, large, small].map((message) => condition.evaluate(principal, message))).toEqual([
      true,
      undefined,
      true,
    ]);
  });

  it("still compiles conditions after an evaluation that ran out", () => {
    expect(evaluate("int(request.text) > 0", { text: "9".repeat(200) })).toBeUndefined();
    expect(evaluate("request.text.matches('^a$')", { text: "a" })).toBe(true);
  });

  it("goes by the limit it is given", () => {
    const compile = (maxSteps: number) =>
      celConditions({ maxSteps }).compile("principal.roles.exists(role, role == 'tester')", method);
    expect(compile(1).evaluate(createPrincipal())).toBeUndefined();
    expect(compile(20).evaluate(createPrincipal())).toBe(true);
  });

  it("matches no text that would take a tenth of a second and more", () => {
    const matches = (length: number) => evaluate("request.text.matches('^[0-9]*$')", { text: "9".repeat(length) });
    expect(matches(400_000)).toBe(true);
    expect(matches(600_000)).toBeUndefined();
  });

  it("joins lists as CEL does, however many times", () => {
    const source = "request.texts.filter(a, a != 'item-7').map(b, b + '!').size() == 999 && [1] + [2] + [] == [1, 2]";
    expect(evaluate(source, { texts: texts(1_000) })).toBe(true);
  });

  it("leaves stack traces of others as they are", () => {
    const before = Error.stackTraceLimit;
    evaluate("principal.claims.missing == 'a'", {});
    expect(Error.stackTraceLimit).toBe(before);
  });
});
