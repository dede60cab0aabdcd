import { spawnSync } from "node:child_process";

/**
 * Keeps this process, and those it starts, on one core: two that run at the same time on a small machine take one
 * another's caches, and what is counted is then as much the other's doing. Where there is no `taskset`, as outside of
 * Linux, nothing happens.
 */
export function stayOnOneCore(): void {
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", "0", String(process.pid)], { stdio: "ignore" });
}
