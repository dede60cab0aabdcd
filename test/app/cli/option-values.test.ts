import { describe, expect, it } from "vitest";
import {
  collectPair,
  parseAlgorithm,
  parseCount,
  parseName,
  parsePort,
  parsePositiveCount,
  parsePrincipal,
  parseRoles,
  parseSeconds,
  parseServerUrl,
  parseTokenRoles,
} from "../../../src/app/cli/option-values.js";

describe("parsers of flag values", () => {
  it.each<readonly [string, (text: string) => unknown, string, unknown]>([
    ["parseName", parseName, "acme.dev_1-x", "acme.dev_1-x"],
    ["parsePort", parsePort, "0", 0],
    ["parsePort", parsePort, "65535", 65_535],
    ["parseCount", parseCount, "0", 0],
    ["parsePositiveCount", parsePositiveCount, "7", 7],
    ["parseSeconds", parseSeconds, "0.5", 0.5],
    ["parseSeconds", parseSeconds, "30", 30],
    ["parseRoles", parseRoles, "worker, admin,worker", ["worker", "admin"]],
    ["parseTokenRoles", parseTokenRoles, "operator,admin", ["operator", "admin"]],
    ["parsePrincipal", parsePrincipal, "alice@acme.example", "alice@acme.example"],
    ["parseAlgorithm", parseAlgorithm, "EdDSA", "EdDSA"],
    ["parseServerUrl", parseServerUrl, "https://jobs.example/", "https://jobs.example"],
    ["parseServerUrl", parseServerUrl, "http://127.0.0.1:8090", "http://127.0.0.1:8090"],
  ])("%s reads %3$j", (_name, parse, text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it.each<readonly [string, (text: string) => unknown, readonly string[]]>([
    ["parseName", parseName, ["", "a/b", "a b", "../x", "x".repeat(65), "é"]],
    ["parsePort", parsePort, ["", "65536", "-1", "1e3", "0x50", "80 ", "8090abc"]],
    ["parseCount", parseCount, ["", "-1", "1.5", "1e3", "Infinity"]],
    ["parsePositiveCount", parsePositiveCount, ["0", ""]],
    ["D6: parseSeconds", parseSeconds, ["", "0", "0.0", "-1", "5m", "1 month", " 5", "NaN", "Infinity", "1e9", "0x10"]],
    ["parseRoles", parseRoles, ["", "root", "worker,", "Worker", "operator", "admin,operator"]],
    ["parseTokenRoles", parseTokenRoles, ["", "root", "operator,", "Operator"]],
    ["parsePrincipal", parsePrincipal, ["", "a b", "a\n", "x".repeat(129)]],
    ["A1: parseAlgorithm", parseAlgorithm, ["", "none", "HS256", "es256"]],
    [
      "parseServerUrl",
      parseServerUrl,
      ["", "jobs.example", "ftp://a", "file:///x", "https://u:p@a", "https://a/x", "https://a/?q", "https://a/#f"],
    ],
  ])("%s refuses what is something else", (_name, parse, texts) => {
    for (const text of texts) {
      expect(() => parse(text), JSON.stringify(text)).toThrow(
        expect.objectContaining({ code: "commander.invalidArgument" }),
      );
    }
  });
});

describe("collectPair()", () => {
  it("keeps the last value of a key, and every = after the first", () => {
    const pairs = collectPair("A=3", collectPair("B=x=y", collectPair("A=1")));
    expect([...pairs]).toEqual([
      ["A", "3"],
      ["B", "x=y"],
    ]);
  });

  it.each(["", "A", "=1"])("refuses %j", (text) => {
    expect(() => collectPair(text)).toThrow(/KEY=VALUE/);
  });
});
