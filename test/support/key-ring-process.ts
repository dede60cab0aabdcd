// A process with a key ring over a directory. Obeys one command per line: "sign", "rotate", "published".
import { createInterface } from "node:readline";
import { createKeyRing } from "../../src/keys/key-ring.js";
import { directoryKeyStore } from "../../src/keys/node-directory-key-store.js";

const [path = "", gracePeriodMs = ""] = process.argv.slice(2);
const store = directoryKeyStore(path);
const ring = createKeyRing({ store, gracePeriodMs: Number(gracePeriodMs), maxTokenLifetimeMs: 3_600_000 });

async function obey(command: string): Promise<string> {
  if (command === "sign") return (await ring.signingKey()).kid;
  if (command === "rotate") return (await ring.rotate()).kid;
  return (await ring.publicKeys()).map(({ kid }) => kid).join(" ");
}

console.log("ready");
for await (const command of createInterface({ input: process.stdin })) console.log(await obey(command));
