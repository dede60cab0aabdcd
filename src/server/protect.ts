import type { ConnectRouterOptions, ContextValues } from "@connectrpc/connect";
import type { MethodRules } from "../policy/method-rules.js";
import { answerNotFound } from "./not-found.js";
import { markRequest } from "./request-marks.js";
import { type Guards, guardRoutes, type Routes } from "./routes.js";

/** What the adapters for Node.js, Fastify, Express and Next.js have in common. */
export interface AdapterOptions extends ConnectRouterOptions {
  /** Registers the services. */
  routes: Routes;
  /** Gives the context values of a request. */
  contextValues?: (request: never) => ContextValues;
}

/** The adapter for Node.js has one more; others leave it aside. */
interface NodeAdapterOptions extends AdapterOptions {
  /** Answers where no path matches. */
  readonly fallback?: unknown;
}

// Connect itself reads messages of up to 4 GiB.
const DEFAULTS = { readMaxBytes: 4 * 1024 * 1024 } satisfies ConnectRouterOptions;

/** Gives a copy of adapter options with everything mounted. */
export function protectAdapter<T extends AdapterOptions>(options: T, guards: Guards, rules: MethodRules): T {
  // Adapters call the function that they were given, with a request of their own type.
  const contextValues = options.contextValues as ((request: unknown) => ContextValues) | undefined;
  const { fallback = answerNotFound }: NodeAdapterOptions = options;
  return {
    ...options,
    readMaxBytes: options.readMaxBytes ?? DEFAULTS.readMaxBytes,
    routes: guardRoutes(options.routes, guards, rules, options),
    fallback,
    contextValues: (request: unknown) => markRequest(request, contextValues?.(request)),
  };
}
