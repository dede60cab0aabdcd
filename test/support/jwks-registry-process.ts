// A process that uses a registry over a URL and does not dispose it. Prints the kids it got; should end by itself.
import { createJwksRegistry } from "../../src/jwks/jwks-registry.js";

const [url = "", hangingUrl = ""] = process.argv.slice(2);
const registry = createJwksRegistry({ defaults: { allowLoopbackHttp: true, attemptTimeoutMs: 500 } });
registry.register({ tenantId: "good", providerId: "only", url });
registry.register({ tenantId: "hanging", providerId: "only", url: hangingUrl });
const keys = await registry.resolve("good", "only");
console.log(keys.map(({ kid }) => kid).join(" "));
await registry.refresh("hanging", "only", { signal: AbortSignal.timeout(100) }).catch(() => {});
console.log("done");
