import { create, type DescMessage, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CelConditionsOptions, celConditions } from "../../src/cel.js";
import type { Principal } from "../../src/token/principal.js";
import { createConditionMethod } from "../support/condition-method.js";
import { createPrincipal } from "../support/principals.js";

const method = createConditionMethod();
const input: DescMessage = method.input;
const conditions = celConditions();

/** What a condition gives for a caller, and for a message if there is one. */
function evaluate(
  source: string,
  principal: Partial<Principal> = {},
  request?: MessageInitShape<typeof input>,
): unknown {
  const message = request && create(input, request);
  return conditions.compile(source, method).evaluate(createPrincipal(principal), message);
}

const EXPIRES_AT_MS = Date.UTC(2030, 0, 1);

describe("celConditions()", () => {
  it.each([
    ["principal.subject == 'alice' && principal.principal_id == 'alice'"],
    ["principal.org == 'acme' && has(principal.org)"],
    ["'tester' in principal.roles && !('admin' in principal.roles) && size(principal.roles) == 1"],
    ["principal.scopes.exists(s, s.startsWith('jobs:'))"],
    ["principal.issuer == 'https://issuer.test' && principal.audience == ['https://service.test']"],
    ["principal.kid.matches('^test-key-[0-9]+$')"],
    ["principal.expires_at > timestamp('2029-12-31T23:59:59Z') && principal.expires_at.getFullYear() == 2030"],
    ["principal.claims.level == 3 && principal.claims.level >= 2 && principal.claims.level + 1.0 == 4.0"],
    ["int(principal.claims.level) + 1 == 4"],
    ["principal.claims.nested.list[1].name == 'b' && principal.claims['nested'].list.size() == 2"],
    ["principal.claims.flag"],
    ["principal.claims.nothing == null && !has(principal.claims.missing)"],
    ["method == 'cond.Service/Call'"],
  ])("admits a caller by %s", (source) => {
    const claims = { level: 3, nested: { list: [{ name: "a" }, { name: "b" }] }, flag: true, nothing: null };
    const principal = { claims, scopes: new Set(["jobs:read"]), expiresAtMs: EXPIRES_AT_MS };
    expect(conditions.compile(source, method).needsRequest).toBe(false);
    expect(evaluate(source, principal)).toBe(true);
  });

  it.each([
    ["request.text == 'hi' && request.text.size() == 2"],
    ["request.number == 7 && request.number < 8 && request.big == 9u && request.big > 8u && request.ratio == 0.5"],
    ["request.number == request.big - 2u || request.flag"],
    ["request.raw == b'ab'"],
    ["request.state == cond.State.STATE_OPEN && request.state != cond.State.STATE_UNSPECIFIED"],
    ["request.texts == ['a', 'b'] && 'a' in request.texts && request.texts[1] == 'b'"],
    ["request.numbers.map(n, n + 1).filter(n, n > 2) == [3]"],
    ["request.numbers.exists_one(n, n == 2)"],
    ["request.labels['env'] == 'prod' && request.labels.env == 'prod' && 'env' in request.labels"],
    ["request.labels.all(key, request.labels[key] != '')"],
    ["request.item.name == 'one' && has(request.item) && 'x' in request.item.tags"],
    ["request.items.all(item, item.name in request.texts && item.tags.all(tag, tag != ''))"],
    ["request.at < principal.expires_at"],
    ["request.nickname == 'al' && request.nickname != null"],
    ["request.json.deep.list[0] == 1 && has(request.json.deep)"],
    ["has(request.payload) == false"],
    ["principal.org == request.text ? false : request.flag"],
  ])("admits a message by %s", (source) => {
    const json: JsonObject = { deep: { list: [1] } };
    const request = {
      ...{ text: "hi", number: 7, big: 9n, ratio: 0.5, flag: true, raw: new Uint8Array([97, 98]), state: 1 },
      ...{ texts: ["a", "b"], numbers: [1, 2], labels: { env: "prod" }, item: { name: "one", tags: ["x"] } },
      ...{ items: [{ name: "a" }, { name: "b", tags: ["y"] }], at: timestampFromMs(EXPIRES_AT_MS - 1) },
      ...{ nickname: "al", json },
    };
    expect(conditions.compile(source, method).needsRequest).toBe(true);
    expect(evaluate(source, { expiresAtMs: EXPIRES_AT_MS }, request)).toBe(true);
  });

  it.each([
    ["1 +", "expecting"],
    ["principle.org == 'acme'", 'there is no variable "principle", only principal, request and method'],
    ["principal.team == 'core'", 'principal has no field "team", only subject, principal_id, org'],
    ["has(principal.team)", 'principal has no field "team"'],
    ["request.nope == 'a'", 'cond.Request has no field "nope"'],
    ["has(request.nope)", 'cond.Request has no field "nope"'],
    ["request.item.nope == 'a'", 'cond.Item has no field "nope"'],
    ["request.items.all(item, item.nope == 'a')", 'cond.Item has no field "nope"'],
    ["request.text.nope == 'a'", 'a string has no field "nope"'],
    ["request.state == cond.State.STATE_GONE", 'there is no variable "cond"'],
    ["constructor == 1", 'there is no variable "constructor"'],
    ["request.text", "it gives a string and not a bool"],
    ["1", "it gives a int and not a bool"],
    ["principal.claims", "it gives a map(string, dyn) and not a bool"],
    ["principal.roles", "it gives a list(string) and not a bool"],
    ["request.text == 1", '"==" does not take (string, int)'],
    ["request.text < 1", '"<" does not take (string, int)'],
    ["request.number + 1.0 == 2.0", '"+" does not take (int, double)'],
    ["'adm' in request.text", '"in" does not take (string, string)'],
    ["1 in request.texts", '"in" does not take (int, list(string))'],
    ["request.text && true", '"&&" does not take (string, bool)'],
    ["request.flag ? true : 'a'", '"?:" does not take (bool, bool, string)'],
    ["!request.text", '"!" does not take (string)'],
    ["request.texts['a'] == 'b'", '"[]" does not take (list(string), string)'],
    ["request.number.all(n, true)", "a int cannot be gone through"],
    ["request.texts.all(t, t)", '"&&" does not take (bool, string)'],
    ["request.texts.startsWith('a')", '"startsWith" does not take a list(string) and (string)'],
    ["allowed(request.text)", 'there is no function "allowed"'],
    ["request.item == request.item", '"==" does not take (cond.Item, cond.Item)'],
    ["request.item in request.items", '"in" does not take (cond.Item, list(cond.Item))'],
    ["principal == principal", '"==" does not take (principal, principal)'],
    ["cond.Item{name: 'a'}.name == 'a'", "messages such as cond.Item cannot be made"],
    ["request.payload == null", "google.protobuf.Any cannot be looked into"],
    ["request.text.matches('(')", '"matches" has a malformed pattern'],
    ["principal.subject.matches(request.text)", '"matches" needs a pattern that is written out'],
  ])("refuses %s at start", (source, why) => {
    expect(() => conditions.compile(source, method)).toThrow(why);
  });

  it.each([
    ["false"],
    ["principal.claims.missing == 'a'"],
    ["principal.claims.text"],
    ["principal.claims.text > 1"],
    ["principal.claims.text.missing == 1"],
    ["principal.claims.number + 1 == 2"],
    ["principal.roles[1] == 'tester'"],
    ["int(principal.subject) == 1"],
    ["1 / int(principal.claims.number - 1.0) == 1"],
  ])("does not admit by %s, which is not true or fails", (source) => {
    expect(evaluate(source, { claims: { text: "a", number: 1 } })).not.toBe(true);
  });

  it("decides without a message as far as the caller decides, and no further", () => {
    const isAdmin = "'admin' in principal.roles";
    const admin = { roles: new Set(["admin"]) };
    for (const onRequest of [
      "request.number < 10",
      "has(request.item)",
      "!has(request.item)",
      "request.texts.all(t, false)",
    ]) {
      for (const source of [`${isAdmin} && ${onRequest}`, `${onRequest} && ${isAdmin}`]) {
        expect([evaluate(source), evaluate(source, admin)], source).toEqual([false, undefined]);
      }
    }
    expect(evaluate(`${isAdmin} ? request.flag : false`)).toBe(false);
    expect(evaluate(`${isAdmin} || request.flag`, admin)).toBe(true);
    expect(evaluate(`${isAdmin} || request.flag`)).toBeUndefined();
  });

  it("takes the variable of a loop for what the loop goes through, whatever its name", () => {
    expect(conditions.compile("principal.roles.exists(request, request == 'tester')", method).needsRequest).toBe(false);
    expect(evaluate("principal.roles.exists(request, request == 'tester')")).toBe(true);
  });

  it.each([undefined, ""])("F2: the organisation %j is not that of a request that names none", (org) => {
    const request = { text: "" };
    expect(evaluate("principal.org == request.text", { org }, request)).not.toBe(true);
    expect(evaluate("principal.org != 'other'", { org })).not.toBe(true);
    expect(evaluate("principal.org in ['', 'acme']", { org })).not.toBe(true);
    expect(evaluate("!has(principal.org)", { org })).toBe(true);
  });

  it.each([
    ["admin"],
    ["superadmin"],
    [[["admin"]]],
    [[{ admin: true }]],
    [1],
    [null],
    [true],
    [["Admin"]],
    [["admin "]],
  ])("F1: the roles %j of a claim are not the role asked for", (roles) => {
    const source = "'admin' in principal.claims.roles";
    expect(evaluate(source, { claims: { roles } })).not.toBe(true);
    expect(evaluate(source, { claims: { roles: ["admin"] } })).toBe(true);
  });

  it("B12: takes claims named like members of all objects for claims without any power", () => {
    const claims = JSON.parse(
      '{"__proto__": {"admin": true, "roles": ["admin"]}, "constructor": {"name": "Object"}, "toString": null}',
    ) as Principal["claims"];
    for (const source of [
      "has(principal.claims.admin)",
      "principal.claims.admin",
      "'admin' in principal.claims.roles",
      "has(principal.claims.hasOwnProperty)",
      "principal.claims.constructor.constructor.name == 'Function'",
      "principal.claims.toString",
      "'admin' in principal.roles",
    ]) {
      expect(evaluate(source, { claims }), source).not.toBe(true);
    }
    expect(
      evaluate("principal.claims['__proto__'].admin && principal.claims.constructor.name == 'Object'", { claims }),
    ).toBe(true);
    expect(Object.hasOwn(Object.prototype, "admin")).toBe(false);
    expect(evaluate("principal.claims.a.level == 3", { claims: { a: { constructor: null, level: 3 } } })).toBe(true);
  });

  it("gives true, or something else, whatever claims and messages hold: it never throws", () => {
    const compiled = [
      "principal.claims.a == request.text || principal.claims.a.b[request.number] > request.big",
      "principal.claims.all(key, principal.claims[key] == request.json[key]) && int(request.text) > 1",
      "timestamp(request.text) < request.at || principal.expires_at.getHours(request.text) == 1",
      "request.json.a.b + request.json.c == string(request.ratio) || double(request.text) > 0.0",
    ].map((source) => conditions.compile(source, method));
    const json = fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), fc.jsonValue({ maxDepth: 3 }));
    const request = fc.record({ text: fc.string(), number: fc.integer(), ratio: fc.double(), json });
    fc.assert(
      fc.property(json, request, (claims, message) => {
        const principal = createPrincipal({ claims });
        for (const condition of compiled) {
          expect(() => condition.evaluate(principal)).not.toThrow();
          expect(() => condition.evaluate(principal, create(input, message))).not.toThrow();
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    [{ maxSteps: 0 }, "options.maxSteps must be a positive finite number"],
    [{ maxSteps: 1.5 }, "options.maxSteps must be an integer"],
    [{ maxSteps: "many" }, "options.maxSteps must be a number"],
    [{ steps: 1 }, "options.steps is not an option"],
  ])("refuses the options %j", (options, message) => {
    expect(() => celConditions(options as CelConditionsOptions)).toThrow(message);
  });
});
