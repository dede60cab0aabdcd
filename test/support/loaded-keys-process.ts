// A process that loads each key of a directory in another way, keeps what it got, and writes what is on its heap.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeHeapSnapshot } from "node:v8";
import { loadSigningKey } from "../../src/keys/node-signing-key.js";
import { watchSigningKey } from "../../src/keys/node-watched-signing-key.js";

const [directory = ""] = process.argv.slice(2);
const pathOf = (name: string): string => join(directory, name);
const textOf = (name: string): string => readFileSync(pathOf(name), "utf8");

const kept: unknown[] = [];
kept.push(await loadSigningKey({ path: pathOf("path") }));
kept.push(await loadSigningKey({ pem: textOf("pem") }));
kept.push(await loadSigningKey({ pem: textOf("locked"), passphrase: textOf("passphrase") }));
kept.push(await loadSigningKey({ jwk: JSON.parse(textOf("jwk")) }));
kept.push(await loadSigningKey({ env: { LATCHKEY_PRIVATE_KEY: textOf("env").replaceAll("\n", "\\n") } }));
const watched = await watchSigningKey({ path: pathOf("watched") });
await watched.reload();
kept.push(watched);
kept.push(await loadSigningKey({ path: pathOf("misfit"), algorithm: "RS256" }).catch((error: unknown) => error));
// What the test has to find, so that finding nothing else means something.
kept.push(textOf("control"));

writeHeapSnapshot(pathOf("heap"));
console.log(kept.length);
