import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const NUMERIC = /^[\d_]+(?: \* [\d_]+)*$/;

/** Members of `const DEFAULTS = { … }` of one file that are products of numbers, texts or booleans. */
function defaultsOf(source: string): Map<string, unknown> {
  const body = /const DEFAULTS(?:: [^=]+)? = \{\n([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
  const defaults = new Map<string, unknown>();
  for (const [, name = "", value = ""] of body.matchAll(/^ {2}(\w+): ([^\n]+?),?$/gm)) {
    const literal = literalOf(value);
    if (literal !== undefined) defaults.set(name, literal);
  }
  return defaults;
}

/** What the docstring of each option says its default is. */
function documentedOf(source: string): Map<string, unknown> {
  const documented = new Map<string, unknown>();
  for (const [, value = "", name = ""] of source.matchAll(
    /@defaultValue `([^`]+)`(?:(?!@defaultValue)[^;{}])*?\*\/\s+readonly (\w+)\?/g,
  )) {
    const literal = literalOf(value);
    if (literal !== undefined) documented.set(name, literal);
  }
  return documented;
}

function literalOf(text: string): unknown {
  if (NUMERIC.test(text)) {
    return text
      .replaceAll("_", "")
      .split(" * ")
      .reduce((product, factor) => product * Number(factor), 1);
  }
  if (text === "true" || text === "false") return text === "true";
  return /^"([^"]*)"$/.exec(text)?.[1];
}

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const compared = files.flatMap((file) => {
  const source = readFileSync(`src/${file}`, "utf8");
  const defaults = defaultsOf(source);
  return [...documentedOf(source)]
    .filter(([name]) => defaults.has(name))
    .map(([name, documented]) => ({ field: `${file} ${name}`, documented, actual: defaults.get(name) }));
});

describe("documented defaults", () => {
  it("are found", () => {
    expect(compared.length).toBeGreaterThan(20);
  });

  it.each(compared)("$field is what the code uses", ({ documented, actual }) => {
    expect(documented).toEqual(actual);
  });
});
