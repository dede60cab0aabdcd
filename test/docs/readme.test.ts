import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].concat(
  readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
);

/** Everything that matches in all pages, with the page it is on. */
function findAll(pattern: RegExp): { readonly page: string; readonly found: string }[] {
  return pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(pattern)].map(([, found = ""]) => ({ page, found })),
  );
}

const links = findAll(/\]\(([^)\s]+)[^)]*\)/g).filter(({ found }) => !/^([a-z]+:|#)/i.test(found));
const commands = findAll(/\bnpm run (?:--?[\w-]+ )*([\w:-]+)/g);
const { scripts, files } = JSON.parse(readFileSync("package.json", "utf8")) as {
  readonly scripts: Record<string, string>;
  readonly files: readonly string[];
};

describe("the documentation", () => {
  it("has links and commands to check", () => {
    expect(links.length).toBeGreaterThan(5);
    expect(commands.length).toBeGreaterThan(5);
  });

  it.each(links)("$page links to $found, which is there", ({ page, found }) => {
    expect(existsSync(join(dirname(page), found.replace(/#.*$/, "")))).toBe(true);
  });

  it.each(links)("$page links to $found, which the package has too", ({ page, found }) => {
    const path = join(dirname(page), found.replace(/#.*$/, ""));
    // npm packs these whatever `files` says.
    const published = ["README.md", "LICENSE", ...files];
    expect(published.some((entry) => path === entry || path.startsWith(`${entry}/`))).toBe(true);
  });

  it.each(commands)("$page names npm run $found, which package.json has", ({ found }) => {
    expect(Object.keys(scripts)).toContain(found);
  });

  it("links to no page that is left out here", () => {
    const linked = links.map(({ page, found }) => join(dirname(page), found.replace(/#.*$/, "")));
    expect(linked.filter((path) => path.endsWith(".md") && !pages.includes(path))).toEqual([]);
  });
});
