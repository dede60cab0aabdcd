import { describe, expect, it } from "vitest";
import { EchoService, UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type ConditionCompiler, celConditions } from "../../src/cel.js";
import { createMethodRules } from "../../src/policy/method-rules.js";
import { createDynamicMethod } from "../support/dynamic-methods.js";

const ECHO = "latchkey.testing.v1.EchoService";
const UNCOVERED = "latchkey.testing.v1.UncoveredService";

describe("createMethodRules()", () => {
  it("lists where the rule of every method comes from: code, then the method's option, then the service's", () => {
    const rules = createMethodRules({ [`${ECHO}/Get`]: { scopes: ["read"] } });
    rules.add(EchoService.methods);
    expect(rules.list().map(({ method, source }) => [method.slice(ECHO.length + 1), source])).toEqual([
      ["Unary", "service option"],
      ["Get", "code"],
      ["ServerStream", "service option"],
      ["ClientStream", "service option"],
      ["BidiStream", "service option"],
      ["Public", "method option"],
      ["Authenticated", "method option"],
    ]);
    expect(rules.list()[1]?.policy).toEqual({ scopes: ["read"] });
  });

  it("prefers an entry of the method to one of the service, and either to the options", () => {
    const rules = createMethodRules({ [`${ECHO}/*`]: { anyRole: ["all"] }, [`${ECHO}/Public`]: { anyRole: ["one"] } });
    rules.add(EchoService.methods);
    const { unary, authenticated, public: publicMethod } = EchoService.method;
    expect([unary, authenticated, publicMethod].map((method) => rules.find(method)?.policy)).toEqual([
      { anyRole: ["all"] },
      { anyRole: ["all"] },
      { anyRole: ["one"] },
    ]);
    expect(rules.find(publicMethod)?.isPublic).toBe(false);
  });

  it("F4: refuses methods without a policy and names each of them", () => {
    const rules = createMethodRules();
    expect(() => rules.add([...EchoService.methods, ...UncoveredService.methods])).toThrow(
      `${UNCOVERED}/Forgotten has no policy`,
    );
    expect(rules.list()).toEqual([]);
    expect(rules.find(UncoveredService.method.forgotten)).toBeUndefined();
  });

  it("says once what helps, however many methods have no policy", () => {
    const bare = [1, 2, 3].map(() => createDynamicMethod(undefined));
    expect(() => createMethodRules().add(bare)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^[^\n]+:(\n- dynamic.Service\/Call has no policy){3}\nGive [^\n]+$/),
      }),
    );
  });

  it("names entries of the table that fit no method", () => {
    const rules = createMethodRules({ [`${ECHO}/Unray`]: {}, "latchkey.testing.v1.Echo/*": {}, [`${ECHO}/Unary`]: {} });
    expect(() => rules.add(EchoService.methods)).toThrow(
      expect.objectContaining({
        message: [
          "The policy cannot be applied:",
          `- policy["${ECHO}/Unray"] fits no method that is served`,
          '- policy["latchkey.testing.v1.Echo/*"] fits no method that is served',
        ].join("\n"),
      }),
    );
  });

  it("accepts entries for methods that were added before", () => {
    const rules = createMethodRules({ [`${UNCOVERED}/*`]: {}, [`${ECHO}/Unary`]: {} });
    expect(() => rules.add(UncoveredService.methods)).toThrow("EchoService/Unary");
    rules.add([...UncoveredService.methods, ...EchoService.methods]);
    rules.add(EchoService.methods);
    expect(rules.list()).toHaveLength(EchoService.methods.length + 1);
  });

  it("refuses an option that cannot be applied and names its method", () => {
    const refused = (option: Parameters<typeof createDynamicMethod>[0]): (() => void) => {
      return () => createMethodRules().add([createDynamicMethod(option)]);
    };
    expect(refused({ public: true, anyRole: ["a"] })).toThrow("dynamic.Service/Call (method option): public excludes");
    expect(refused({ orgField: "nope" })).toThrow('dynamic.Service/Call: orgField "nope"');
    expect(refused({ acrValues: ['a"'] })).toThrow("dynamic.Service/Call (method option).acrValues[0]");
    expect(refused({ maxAgeSeconds: 0 })).toThrow("dynamic.Service/Call (method option).maxAgeSeconds");
  });

  it("F4: refuses a condition that nothing evaluates, and says what would", () => {
    expect(() => createMethodRules().add([createDynamicMethod({ condition: "true" })])).toThrow(
      'dynamic.Service/Call: condition "true" needs the option conditions: celConditions() from "latchkey/cel"',
    );
  });

  it("names all that is wrong at once: conditions, fields, and methods without a policy", () => {
    const conditions = celConditions();
    const condition = "principal.roles.nope";
    const rules = createMethodRules(
      { [`${ECHO}/Unary`]: { condition }, [`${ECHO}/Get`]: { orgField: "nope" } },
      { conditions },
    );
    const all = [...EchoService.methods, ...UncoveredService.methods];
    expect(() => rules.add(all)).toThrow(
      expect.objectContaining({
        message: [
          "The policy cannot be applied:",
          `- ${ECHO}/Unary: condition "principal.roles.nope": a list(string) has no field "nope"`,
          `- ${ECHO}/Get: orgField "nope" names no field: latchkey.testing.v1.GetRequest has no "nope"`,
          `- ${UNCOVERED}/Forgotten has no policy`,
          "Give each method without a policy the option (latchkey.auth.v1.access), or an entry in `policy`",
        ].join("\n"),
      }),
    );
  });

  it("refuses a compiler that is none", () => {
    const conditions = celConditions as unknown as ConditionCompiler;
    expect(() => createMethodRules({}, { conditions })).toThrow("conditions.compile must be a function");
  });

  it("finds the rule of a method that was never added, for servers that mount by hand", () => {
    expect(createMethodRules().find(EchoService.method.unary)?.policy.anyRole).toEqual(["tester"]);
  });
});
