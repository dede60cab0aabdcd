import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Mutant, mutate } from "./mutant.ts";
import type { TreeCopy } from "./tree-copy.ts";

/**
 * Compiles all mutants at once, each beside the file that it changes: one that calls what is no longer there would fail
 * every test without proving anything.
 *
 * @returns What is wrong with which; nothing is said of mutants that do not apply.
 */
export function checkTypes(mutants: readonly Mutant[], { folder }: TreeCopy): ReadonlyMap<Mutant, string> {
  const written = new Map<string, Mutant>();
  for (const [index, mutant] of mutants.entries()) {
    const name = mutant.file.replace(/\.ts$/, `.mutant-${index}.ts`);
    try {
      writeFileSync(join(folder, name), mutate(readFileSync(join(folder, mutant.file), "utf8"), mutant));
      written.set(name, mutant);
    } catch {
      // Told when it is its turn.
    }
  }
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
  const config = { extends: "./tsconfig.json", compilerOptions, include: [], files: [...written.keys()] };
  writeFileSync(join(folder, "tsconfig.mutants.json"), JSON.stringify(config));
  const { stdout, error } = spawnSync("tsc", ["-p", "tsconfig.mutants.json", "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  for (const name of written.keys()) rmSync(join(folder, name));
  const problems = new Map<Mutant, string>();
  for (const [, name = "", problem = ""] of stdout.matchAll(/^(\S+)\(\d+,\d+\): (error .*)$/gm)) {
    const mutant = written.get(name);
    if (mutant === undefined) throw new Error(`${name} does not compile without any mutant: ${problem}`);
    problems.set(mutant, problem);
  }
  return problems;
}
