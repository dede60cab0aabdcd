import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A copy of what tests run on, which may be changed while the tree itself is worked in. */
export interface TreeCopy extends Disposable {
  /** Where it is. */
  readonly folder: string;
  /** Changes one file. Disposing what it gives brings the file back. */
  edit(file: string, change: (text: string) => string): Disposable;
}

const COPIED = [
  "src",
  "gen",
  "test",
  "proto",
  "bench",
  "scripts/mutation",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
];

/** Makes a copy in a folder of its own; packages are shared. */
export function createTreeCopy(): TreeCopy {
  const folder = mkdtempSync(join(tmpdir(), "latchkey-mutation-"));
  for (const name of COPIED) cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const dispose = (): void => rmSync(folder, { recursive: true, force: true });
  // Also when the run is broken off.
  process.once("exit", dispose);
  return {
    folder,
    edit(file, change) {
      const path = join(folder, file);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, change(text));
      return { [Symbol.dispose]: () => writeFileSync(path, text) };
    },
    [Symbol.dispose]() {
      process.removeListener("exit", dispose);
      dispose();
    },
  };
}
