// Examples rot unseen: takes every TypeScript fence of README, docs and docstrings, and compiles it as a user would,
// against the built package under its own name. A fence that needs names from its surroundings gets them from
// examples/ambient.d.ts.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

mkdirSync("temp", { recursive: true });
const folder = mkdtempSync("temp/examples-");
try {
  let count = 0;
  for (const file of [...markdownFiles(), ...sourceFiles()]) {
    for (const { line, code } of fencesOf(file)) {
      const name = `${file.replaceAll(/[/.]/g, "_")}_${line}.ts`;
      // `export {}` makes each fence a module of its own.
      writeFileSync(join(folder, name), `${code}\nexport {};\n`);
      count++;
    }
  }
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts", "../../examples/ambient.d.ts"],
    }),
  );
  execFileSync("tsc", ["-p", folder], { stdio: "inherit" });
  console.log(`${count} examples compile`);
} catch (error) {
  if (!(error instanceof Error && "status" in error)) throw error;
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

function markdownFiles(): string[] {
  const docs = readdirSync("docs").map((name) => `docs/${name}`);
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", ...docs].filter((name) =>
    name.endsWith(".md"),
  );
}

function sourceFiles(): string[] {
  return readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name}`);
}

function fencesOf(file: string): { readonly line: number; readonly code: string }[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const fences: { readonly line: number; readonly code: string }[] = [];
  let start: number | undefined;
  lines.forEach((line, index) => {
    const text = stripComment(line).trim();
    if (start === undefined && /^```(ts|typescript)$/.test(text)) start = index + 1;
    else if (start !== undefined && text === "```") {
      fences.push({ line: start, code: lines.slice(start, index).map(stripComment).join("\n") });
      start = undefined;
    }
  });
  return fences;
}

/** Takes the star off a docstring line. */
function stripComment(line: string): string {
  return line.replace(/^\s*\* ?/, "");
}
