import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";

/** One call as the server saw it. */
export interface SeenCall {
  readonly method: string;
  readonly authorization: string | null;
}

/** A service of every kind of call whose gate does as a test says. */
export interface ScriptedService {
  /** Calls that reached the server, oldest first. */
  readonly calls: SeenCall[];
  /** Calls that reached the handler, by the text of their first message. */
  readonly handled: string[];
  /** Run for each call before its handler; throws to refuse. */
  gate: (call: SeenCall) => void | Promise<void>;
  /** Run in each handler, before it answers. */
  handle: () => void | Promise<void>;
  /** Run after each message of a server stream. */
  afterMessage: () => void;
  readonly routes: (router: ConnectRouter) => void;
}

/** Creates a service that accepts every call until told otherwise. */
export function createScriptedService(): ScriptedService {
  const service: ScriptedService = {
    calls: [],
    handled: [],
    gate: () => {},
    handle: () => {},
    afterMessage: () => {},
    routes(router) {
      const requestGate = async (context: HandlerContext): Promise<void> => {
        const call = { method: context.method.name, authorization: context.requestHeader.get("authorization") };
        service.calls.push(call);
        await service.gate(call);
      };
      const answer = async (text: string): Promise<{ text: string }> => {
        service.handled.push(text);
        await service.handle();
        return { text };
      };
      router.service(
        EchoService,
        {
          unary: async ({ text }, { requestHeader }) => ({
            ...(await answer(text)),
            subject: requestHeader.get("authorization") ?? "",
          }),
          get: ({ text }) => answer(text),
          async *serverStream({ text, count }, context) {
            context.responseHeader.set("x-opened-by", text);
            context.responseTrailer.set("x-closed-by", text);
            await answer(text);
            for (let index = 0; index < count; index++) {
              yield { text };
              service.afterMessage();
            }
          },
          async clientStream(requests) {
            let count = 0;
            for await (const { text } of requests) {
              if (count++ === 0) await answer(text);
            }
            return { count };
          },
          async *bidiStream(requests) {
            for await (const { text } of requests) yield answer(text);
          },
        },
        { requestGate },
      );
    },
  };
  return service;
}

/** A service on a port of its own, plaintext HTTP/2. */
export interface ListeningService extends AsyncDisposable {
  readonly origin: string;
}

/** Serves a service over HTTP/2 on 127.0.0.1. */
export async function listen(service: ScriptedService): Promise<ListeningService> {
  const server = http2.createServer(connectNodeAdapter({ routes: service.routes }));
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
