import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const DEBIAN_PATH = "/usr/bin/chromium";

/** Starts Chromium without a window: the one that `CHROMIUM` names, or else Debian's. Fails when there is none. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env["CHROMIUM"] || DEBIAN_PATH;
  if (!existsSync(executablePath)) {
    throw new Error(`No Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM to its path`);
  }
  // Chromium refuses to run its sandbox as root.
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 });
}
