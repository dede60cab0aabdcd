// A process that has nothing to do but to wait, in the way that its first argument names, on what its second says. Prints
// how each wait of a caller ended, and what background work came to.
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { clientCredentials } from "../../src/client/client-credentials.js";
import { resumable } from "../../src/client/resumable.js";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import { type Clock, systemClock } from "../../src/lib/clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import type { TokenSource } from "../../src/token/token.js";
import { createVerifier } from "../../src/verify/verifier.js";

const [way = "", url = ""] = process.argv.slice(2);

function tokens(): TokenSource {
  const clientAuth = { authenticate() {} };
  return clientCredentials({
    authorizationServer: { issuer: url, tokenEndpoint: url },
    clientId: "client",
    clientAuth,
  });
}

async function verify(where: { readonly jwksUri: string } | { readonly discovery: true }): Promise<void> {
  const issuer = await createTestIssuer({ issuer: url });
  const { audience, algorithms } = issuer;
  const trusted = { issuer: url, audience, algorithms, ...where };
  await createVerifier({ issuers: [trusted], allowLoopbackHttp: true }).verify(await issuer.mint());
}

/** A key cache with keys in hand, that has begun to confirm them and pauses after the first failure. */
async function confirming(): Promise<Jwks> {
  const { keys } = (await createTestIssuer()).jwks();
  const jwks = createJwks(`${url}/keys`, {
    allowLoopbackHttp: true,
    retryMinDelayMs: 1_000,
    retryJitter: "none",
    retries: 1,
    onEvent: ({ type }) => console.log(type),
  });
  const snapshot = { url: `${url}/keys`, keys, fetchedAtMs: Date.now(), ttlMs: 60_000 };
  console.log(await jwks.hydrate(snapshot as never));
  return jwks;
}

const request = () => ({ audience: "api", origin: "https://api.example", signal: new AbortController().signal });

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  async call() {
    const router = { interceptors: [bearerAuth(tokens())] };
    const transport = createRouterTransport(({ service }) => service(EchoService, {}), { transport: router });
    await createClient(EchoService, transport).unary({});
  },
  source: () => Promise.resolve(tokens().getToken(request())),
  jwksUri: () => verify({ jwksUri: `${url}/keys` }),
  discovery: () => verify({ discovery: true }),
  async resumable() {
    const open = (): never => {
      throw new ConnectError("away", Code.Unavailable);
    };
    const stream = resumable(open, { cursor: () => 0, isTransient: () => true, maxFailures: 2 });
    await stream[Symbol.asyncIterator]().next();
  },
  confirming,
  async joining() {
    await (await confirming()).getKey({ kid: "another", alg: "ES256" });
  },
  async refreshAhead() {
    let passedMs = 0;
    const clock: Clock = {
      ...systemClock,
      nowMs: () => systemClock.nowMs() + passedMs,
      monotonicMs: () => systemClock.monotonicMs() + passedMs,
    };
    const cache = cachedTokens(tokens(), { clock, onEvent: ({ type }) => console.log(type) });
    await cache.getToken(request());
    passedMs = 3_500_000;
    await cache.getToken(request());
  },
};

// Not awaited by the module: Node itself would complain of a module that never ends.
ways[way]?.().then(
  () => console.log("done"),
  (error: unknown) => console.log(error instanceof Error && "code" in error ? error.code : error),
);
