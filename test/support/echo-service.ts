import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { getPrincipal } from "../../src/server/principal-key.js";

/** The echo service, and what has got through to its handlers. */
export interface EchoFixture {
  /** Registers the service. */
  readonly routes: (router: ConnectRouter) => void;
  /** How many handlers were called. */
  readonly calls: () => number;
  /** How many request messages handlers were given. */
  readonly delivered: () => number;
  /** Sets both counts to 0. */
  reset(): void;
}

/** Creates an {@link EchoFixture}; handlers given as `overrides` take the place of its own, and are not counted. */
export function createEchoService(overrides: Partial<ServiceImpl<typeof EchoService>> = {}): EchoFixture {
  let calls = 0;
  let delivered = 0;
  const subjectOf = (context: HandlerContext): string => getPrincipal(context)?.subject ?? "";
  const echo = ({ text }: { readonly text: string }, context: HandlerContext): { text: string; subject: string } => {
    calls++;
    delivered++;
    return { text, subject: subjectOf(context) };
  };
  const implementation: ServiceImpl<typeof EchoService> = {
    unary: echo,
    get: echo,
    public: echo,
    authenticated: (_, context) => {
      calls++;
      delivered++;
      return { subject: subjectOf(context) };
    },
    async *serverStream({ text, count }, context) {
      calls++;
      delivered++;
      for (let sent = 0; sent !== count; sent++) yield { text, subject: subjectOf(context) };
    },
    async clientStream(requests, context) {
      calls++;
      let count = 0;
      for await (const _ of requests) {
        delivered++;
        count++;
      }
      return { count, subject: subjectOf(context) };
    },
    async *bidiStream(requests, context) {
      calls++;
      for await (const { text } of requests) {
        delivered++;
        yield { text, subject: subjectOf(context) };
      }
    },
    ...overrides,
  };
  return {
    routes: (router) => void router.service(EchoService, implementation),
    calls: () => calls,
    delivered: () => delivered,
    reset() {
      calls = 0;
      delivered = 0;
    },
  };
}
