// A service that starts with the key sets that another process left in Redis. Obeys one command per line: "restore",
// "key <kid>", "confirmed", which waits for the first answer of the issuer.
import { createInterface } from "node:readline";
import { createJwksRegistry } from "../../src/jwks/jwks-registry.js";
import { openRedisStore } from "./redis-store.js";

const [namespace = "", secret = "", url = ""] = process.argv.slice(2);
const { keyv } = await openRedisStore(namespace);
const confirmed = Promise.withResolvers<string>();
const registry = createJwksRegistry({
  snapshots: { store: keyv, secret, timeoutMs: 10_000 },
  defaults: { allowLoopbackHttp: true },
  onEvent({ type }) {
    if (type === "refreshed") confirmed.resolve(type);
  },
});
registry.register({ tenantId: "acme", providerId: "main", url });

async function obey(command: string): Promise<string> {
  if (command === "restore") return JSON.stringify(await registry.restore());
  if (command === "confirmed") return confirmed.promise;
  const kid = command.replace("key ", "");
  return registry.resolve("acme", "main", kid).then(
    ([key]) => key?.kid ?? "",
    (error) => error.code,
  );
}

console.log("ready");
for await (const command of createInterface({ input: process.stdin })) console.log(await obey(command));
