import { createServer } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import express from "express";
import { type FastifyInstance, fastify } from "fastify";
import type { ServerAuth } from "../../src/server.js";
import { listenForRpc, type RpcServer } from "./rpc-server.js";

type Routes = (router: ConnectRouter) => void;

/** Starts a server with the plugin for Fastify. */
export async function startFastify(httpVersion: "1.1" | "2", auth: ServerAuth, routes: Routes): Promise<RpcServer> {
  // The type of an instance depends on its HTTP version, which does not matter here.
  const app = (httpVersion === "2" ? fastify({ http2: true }) : fastify()) as unknown as FastifyInstance;
  await app.register(fastifyConnectPlugin, auth.protect({ routes }));
  await app.ready();
  return listenForRpc(httpVersion, app.server);
}

/** Starts a server with the middleware for Express, which speaks HTTP/1.1. */
export async function startExpress(auth: ServerAuth, routes: Routes): Promise<RpcServer> {
  const app = express();
  app.use(expressConnectMiddleware(auth.protect({ routes })));
  return listenForRpc("1.1", createServer(app));
}
