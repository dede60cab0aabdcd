import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Creates a directory (mode 0700) that is deleted when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "latchkey-test-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
