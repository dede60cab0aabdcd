// A process that uses a key cache over a URL and does not dispose it. Prints what it got; should end by itself.
import { createJwks } from "../../src/jwks/jwks.js";

const [url = ""] = process.argv.slice(2);
const jwks = createJwks(url, { allowLoopbackHttp: true });
const [key] = await jwks.getPublicKeys();
console.log(`${key?.kid} ${jwks.status().nextRefreshAtMs !== undefined}`);
