import { stat } from "node:fs/promises";
import type { Finding } from "./finding.js";

/** May be written by the group, or by everybody. */
const WRITTEN_BY_OTHERS = 0o022;

/** Checks the directory that everything of this user is kept in. */
export async function checkHome(path: string): Promise<Finding> {
  let info: Awaited<ReturnType<typeof stat>>;
  try {
    info = await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { state: "note", text: `there is no ${path} yet: \`latchkey init\` makes it` };
    return { state: "wrong", text: `cannot look into ${path} (${code})` };
  }
  if (!info.isDirectory())
    return { state: "wrong", text: `${path} is not a directory: name another with LATCHKEY_HOME` };
  // Windows makes up the mode.
  if (process.platform !== "win32" && (info.mode & WRITTEN_BY_OTHERS) !== 0) {
    return { state: "wrong", text: `${path} can be changed by other users: run chmod go-w on it` };
  }
  return { state: "ok", text: `home is ${path}` };
}
