import { describe, expect, it } from "vitest";
import { createTokenTarget, type TokenTargetOptions } from "../../src/client/token-target.js";
import type { TokenRequest } from "../../src/token/token.js";

const request = (origin = "https://eu.jobs.example"): TokenRequest => ({
  audience: origin,
  origin,
  signal: new AbortController().signal,
});

describe("createTokenTarget()", () => {
  it("makes parameters of fixed values", () => {
    const resource = ["https://a.example/", "urn:service:b"];
    const target = createTokenTarget({ scope: "jobs.read jobs.write", audience: "jobs", resource });
    expect(target.perCall).toBe(false);
    expect([...target.parameters(request())]).toEqual([
      ["scope", "jobs.read jobs.write"],
      ["resource", "https://a.example/"],
      ["resource", "urn:service:b"],
      ["audience", "jobs"],
    ]);
    expect([...createTokenTarget({}).parameters(request())]).toEqual([]);
  });

  it("is not changed by those who got its parameters", () => {
    const target = createTokenTarget({ scope: "a" });
    target.parameters(request()).set("scope", "b");
    expect(target.parameters(request()).get("scope")).toBe("a");
  });

  it("derives what is a function from each call", () => {
    const target = createTokenTarget({ scope: ({ origin }) => `ingest:${new URL(origin).hostname}`, audience: "jobs" });
    expect(target.perCall).toBe(false);
    expect(target.parameters(request()).get("scope")).toBe("ingest:eu.jobs.example");
    expect(target.cacheKey(request())).not.toBe(target.cacheKey(request("https://us.jobs.example")));
    expect(target.cacheKey(request())).toBe(target.cacheKey(request()));
  });

  it("K2: is made for each call by its audience or resource, and not by a scope, which names no service", () => {
    const perCall = (options: TokenTargetOptions): boolean => createTokenTarget(options).perCall;
    expect(perCall({ audience: ({ origin }) => origin })).toBe(true);
    expect(perCall({ resource: ({ origin }) => origin, scope: "a" })).toBe(true);
    expect(perCall({ scope: ({ origin }) => `ingest:${new URL(origin).hostname}` })).toBe(false);
  });

  it("has another cache key for each other target", () => {
    const targets: TokenTargetOptions[] = [
      {},
      { scope: "a" },
      { audience: "a" },
      { scope: "a", audience: "b" },
      { scope: "b", audience: "a" },
      { scope: "a b" },
      { audience: 'a","b' },
      { resource: "urn:a" },
      { resource: ["urn:a", "urn:b"] },
      { resource: "urn:a,urn:b" },
    ];
    const keys = targets.map((target) => createTokenTarget(target).cacheKey(request()));
    expect(new Set(keys).size).toBe(targets.length);
    expect(createTokenTarget({ scope: () => "a" }).cacheKey(request())).toBe(keys[1]);
  });

  const unsendable: [string, unknown][] = [
    ["scope", ""],
    ["scope", "a  b"],
    ["scope", " a"],
    ["scope", 'a"b'],
    ["scope", "a\nb"],
    ["scope", ["a"]],
    ["audience", ""],
    ["audience", 1],
    ["resource", "/relative"],
    ["resource", "https://a.example/#b"],
    ["resource", []],
    ["resource", ["https://a.example/", "b"]],
    ["resource", null],
    ["scope", null],
  ];

  it.each(unsendable)("refuses %s %j", (field, value) => {
    const options = (given: unknown) => ({ [field]: given }) as TokenTargetOptions;
    expect(() => createTokenTarget(options(value))).toThrow(TypeError);
    expect(() => createTokenTarget(options(value))).toThrow(field);
    const derived = createTokenTarget(options(() => value));
    for (const derive of [derived.parameters, derived.cacheKey]) {
      expect(() => derive(request())).toThrow(`The function that gives the ${field} of a token gave`);
      expect(() => derive(request())).toThrow(expect.objectContaining({ code: "ERR_TOKEN_SOURCE_INVALID" }));
    }
  });
});
