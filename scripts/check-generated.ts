// gen/ is committed so that users and editors need no generator; this says when it no longer belongs to the protos.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const target = mkdtempSync("temp-gen-");
try {
  execFileSync("buf", ["generate", "--output", target], { stdio: "inherit" });
  const committed = filesBelow("gen");
  const generated = filesBelow(join(target, "gen"));
  const stale = [...new Set([...committed.keys(), ...generated.keys()])].filter(
    (file) => committed.get(file) !== generated.get(file),
  );
  if (stale.length > 0) {
    console.error(`gen/ differs from what the protos generate; run: npm run generate\n${stale.join("\n")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(target, { recursive: true });
}

function filesBelow(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}
