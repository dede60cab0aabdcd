import type { Finding } from "./finding.js";

/**
 * Checks whether this Node.js is recent enough.
 *
 * @param version - Its version, such as `24.1.0`.
 * @param range - What is asked for, such as `>=22.12`.
 */
export function checkNodeVersion(version: string, range: string): Finding {
  const [major = 0, minor = 0] = numbersOf(version);
  const [leastMajor = 0, leastMinor = 0] = numbersOf(range);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) {
    return { state: "ok", text: `Node.js ${version}` };
  }
  return {
    state: "wrong",
    text: `Node.js ${version} is too old: ${leastMajor}.${leastMinor} or a later one is needed`,
  };
}

function numbersOf(text: string): readonly number[] {
  return (text.match(/\d+/g) ?? []).map(Number);
}
