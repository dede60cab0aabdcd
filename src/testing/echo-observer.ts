import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { aborted } from "../lib/aborted.js";
import { createObservation, type Observation } from "./observation.js";

/** Request header that ties a call to its {@link Observation}. */
export const OBSERVATION_HEADER = "latchkey-testing-call";

/** Finds the verified caller of a call, as a handler would; undefined when there is none. */
export type FindCaller = (context: HandlerContext) => { readonly subject: string } | undefined;

/** The echo service, and who watches it. */
export interface EchoObserver {
  /** Registers the service. */
  readonly routes: (router: ConnectRouter) => void;
  /** Begins to watch calls of a new id. */
  observe(): Observation;
}

/** Creates the echo service; it answers with the subject of the caller that `findCaller` finds. */
export function createEchoObserver(findCaller: FindCaller): EchoObserver {
  const observations = new Map<string, Observation>();
  const begin = (context: HandlerContext): EchoCall => {
    const id = context.requestHeader.get(OBSERVATION_HEADER) ?? "";
    const call = (observations.get(id) ?? createObservation()).begin();
    return {
      async receive({ orgId }) {
        await call.receive(orgId, context.signal);
        // By now other calls are under way: a caller kept anywhere but with its call would be another one.
        return findCaller(context)?.subject ?? "";
      },
      [Symbol.dispose]: call.finish,
    };
  };
  return {
    routes: (router) => void router.service(EchoService, createImplementation(begin)),
    observe() {
      const observation = createObservation();
      observations.set(observation.id, observation);
      return observation;
    },
  };
}

interface EchoCall extends Disposable {
  /** Notes a message, and gives the subject of the caller. */
  receive(message: { readonly orgId: string }): Promise<string>;
}

function createImplementation(begin: (context: HandlerContext) => EchoCall): Partial<ServiceImpl<typeof EchoService>> {
  return {
    async unary(request, context) {
      using call = begin(context);
      return { text: request.text, subject: await call.receive(request) };
    },
    async *serverStream(request, context) {
      using call = begin(context);
      const answer = { text: request.text, subject: await call.receive(request) };
      for (let left = Math.abs(request.count); left > 0; left--) yield answer;
      if (request.count < 0) await aborted(context.signal);
    },
    async clientStream(requests, context) {
      using call = begin(context);
      let count = 0;
      let subject = "";
      for await (const request of requests) {
        subject = await call.receive(request);
        count++;
      }
      return { count, subject };
    },
    async *bidiStream(requests, context) {
      using call = begin(context);
      for await (const request of requests) yield { text: request.text, subject: await call.receive(request) };
    },
  };
}
