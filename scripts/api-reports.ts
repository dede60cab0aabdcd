// The public surface in text, one file per entry point: a change of it shows in review as a diff of etc/.
// Without arguments renews the reports; with --check fails when one differs.
import { readdirSync, rmSync } from "node:fs";
import { basename, resolve } from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";

const check = process.argv.includes("--check");
const entries = readdirSync("src")
  .filter((name) => name.endsWith(".ts") && !["errors.ts", "connect-errors.ts"].includes(name))
  .map((name) => basename(name, ".ts"));
let differing = 0;
for (const entry of entries) {
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: resolve("."),
      mainEntryPointFilePath: resolve(`dist/${entry}.d.ts`),
      compiler: { tsconfigFilePath: resolve("tsconfig.json") },
      apiReport: {
        enabled: true,
        reportFileName: `${entry}.api.md`,
        reportFolder: resolve("etc"),
        reportTempFolder: resolve("temp/api"),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        extractorMessageReporting: {
          default: { logLevel: "error" as ExtractorLogLevel },
          // Release tags and names that cross entry points are no concern of a single-package project.
          "ae-missing-release-tag": { logLevel: "none" as ExtractorLogLevel },
          "ae-forgotten-export": { logLevel: "none" as ExtractorLogLevel },
          "ae-unresolved-link": { logLevel: "none" as ExtractorLogLevel },
        },
        tsdocMessageReporting: { default: { logLevel: "error" as ExtractorLogLevel } },
      },
    },
    configObjectFullPath: resolve("package.json"),
    packageJsonFullPath: resolve("package.json"),
  });
  const result = Extractor.invoke(config, {
    localBuild: !check,
    messageCallback: (message) => {
      // Its own TypeScript is older than ours; that it says so at every start helps nobody.
      if (message.logLevel === ExtractorLogLevel.Info || message.messageId === "console-preamble")
        message.handled = true;
    },
  });
  if (!result.succeeded) differing++;
}
const known = new Set(entries.map((entry) => `${entry}.api.md`));
const orphans = readdirSync("etc").filter((name) => name.endsWith(".api.md") && !known.has(name));
for (const orphan of orphans) {
  if (check) differing++;
  else rmSync(`etc/${orphan}`);
}
if (differing > 0 && check) console.error("The public surface changed; if that is meant, run: npm run api:accept");
process.exitCode = differing > 0 ? 1 : 0;
