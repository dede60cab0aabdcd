import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions, Interceptor } from "@connectrpc/connect";
import { withoutUndefined } from "../lib/options.js";
import { type MethodRules, methodName } from "../policy/method-rules.js";
import type { Gate } from "./gate.js";
import { closeOnUnreadBody } from "./unread-body.js";
import { hideUpstreamRefusal } from "./upstream-errors.js";

/** A function that registers services, as adapters take it. */
export type Routes = (router: ConnectRouter) => void;

/** What is mounted on every service. */
export interface Guards {
  readonly gate: Gate;
  readonly interceptor: Interceptor;
}

/**
 * Wraps routes so that every service and method they register is guarded, and has a policy.
 *
 * Options of a service replace those of its router in Connect, interceptors and switched-off protocols included: hence
 * what the router was given is merged into the options of each service.
 *
 * @param routerOptions - What the router was created with, as far as known.
 * @returns Routes that throw TypeError when a method has no policy.
 */
export function guardRoutes(
  routes: Routes,
  { gate, interceptor }: Guards,
  rules: MethodRules,
  routerOptions: ConnectRouterOptions,
): Routes {
  const merge = (options: ConnectRouterOptions = {}): ConnectRouterOptions => {
    // A member that is there and undefined would replace the router's value all the same.
    const merged: ConnectRouterOptions = { ...pickShared(routerOptions), ...withoutUndefined(options) };
    merged.requestGate = chainGates(gate, routerOptions.requestGate, options.requestGate);
    // The first is the outermost. Ours comes before all others, so that none sees a call that is not admitted.
    merged.interceptors = [interceptor, ...(routerOptions.interceptors ?? []), ...(options.interceptors ?? [])];
    return merged;
  };
  return (router) => {
    const methods: DescMethod[] = [];
    const before = new Set(router.handlers);
    const guarded = new Set<unknown>();
    const register = (add: () => unknown): void => {
      const first = router.handlers.length;
      add();
      router.handlers.slice(first).forEach((handler, index) => {
        const closing = closeOnUnreadBody(handler);
        router.handlers[first + index] = closing;
        guarded.add(closing);
        methods.push(handler.method);
      });
    };
    const guardedRouter: ConnectRouter = {
      handlers: router.handlers,
      service(service, implementation, options) {
        register(() => router.service(service, implementation, merge(options)));
        return guardedRouter;
      },
      rpc(method, implementation, options) {
        register(() => router.rpc(method, implementation, merge(options)));
        return guardedRouter;
      },
    };
    routes(guardedRouter);
    const unguarded = router.handlers.filter((handler) => !before.has(handler) && !guarded.has(handler));
    if (unguarded.length > 0) {
      const names = unguarded.map(({ method }) => methodName(method)).join(", ");
      throw new TypeError(`Handlers were added to the router by hand, without authentication: ${names}`);
    }
    rules.add(methods);
  };
}

/** What a service of its own options would otherwise lose, or get switched on again. */
function pickShared({ grpc, grpcWeb, connect }: ConnectRouterOptions): ConnectRouterOptions {
  return withoutUndefined({ grpc, grpcWeb, connect });
}

/** Runs ours first: what comes after may ask for the caller. */
function chainGates(gate: Gate, ...others: (ConnectRouterOptions["requestGate"] | undefined)[]): Gate {
  const chain = others.filter((other) => other !== undefined);
  if (chain.length === 0) return gate;
  return async (context) => {
    await gate(context);
    try {
      for (const other of chain) await other(context);
    } catch (error) {
      throw hideUpstreamRefusal(error);
    }
  };
}
