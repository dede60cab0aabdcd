// A release must say what changed: refuses to bump the version while CHANGELOG.md still calls the changes Unreleased.
import { readFileSync } from "node:fs";

if (/^## Unreleased$/m.test(readFileSync("CHANGELOG.md", "utf8"))) {
  console.error('CHANGELOG.md still has a section "Unreleased"; name it after the version first');
  process.exitCode = 1;
}
