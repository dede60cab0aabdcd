// The server of the measurement beside this file, in a process of its own, so that its CPU time is its own. Three HTTP/2
// servers on three ports: without authentication, with latchkey, and with jose in an interceptor.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { type ConnectNodeAdapterOptions, connectNodeAdapter } from "@connectrpc/connect-node";
import { importJWK, jwtVerify } from "jose";
import { createServerAuth } from "latchkey/server";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createMinter } from "./minter.ts";
import type { RpcServerReport } from "./rpc.ts";

const TOKENS = 1_000;

const minter = createMinter("ES256");
const { issuer, audience, jwk } = minter;

const routes = (router: ConnectRouter): void => {
  router.service(EchoService, { unary: ({ text }) => ({ text }) });
};

const auth = createServerAuth({
  issuers: [
    {
      issuer,
      audience,
      algorithms: ["ES256"],
      jwksUri: "https://idp.example/jwks.json",
      jwksOptions: { fetch: async () => Response.json(minter.jwks) },
    },
  ],
});

const key = await importJWK(jwk, "ES256");
// What a service writes that has a library for tokens and none for calls: the same checks, and the same rule.
const joseInterceptor: Interceptor = (next) => async (request) => {
  const [, token = ""] = /^Bearer (.+)$/i.exec(request.header.get("authorization") ?? "") ?? [];
  try {
    const { payload } = await jwtVerify(token, key, {
      issuer,
      audience,
      typ: "at+jwt",
      algorithms: ["ES256"],
      clockTolerance: 5,
      requiredClaims: ["exp"],
    });
    const { org, roles } = payload;
    const isAllowed = Array.isArray(roles) && roles.includes("tester");
    const isOwn = !request.stream && "orgId" in request.message && request.message.orgId === org;
    if (!isAllowed || !isOwn) throw new ConnectError("not allowed", Code.PermissionDenied);
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    throw new ConnectError("no good token", Code.Unauthenticated);
  }
  return next(request);
};

const ports = {
  none: await serve({ routes }),
  latchkey: await serve(auth.protect({ routes })),
  jose: await serve({ routes, interceptors: [joseInterceptor] }),
};

process.on("message", () => report({ cpu: process.cpuUsage() }));
process.on("disconnect", () => process.exit());
report({ ports, tokens: Array.from({ length: TOKENS }, () => minter.mint()) });

async function serve(options: ConnectNodeAdapterOptions): Promise<number> {
  const server = createServer(connectNodeAdapter(options));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function report(message: RpcServerReport): void {
  process.send?.(message);
}
