import { type ContextKey, type ContextValues, createContextKey } from "@connectrpc/connect";
import { toConnectError } from "../connect-errors.js";
import { TokenRejectedError } from "../errors.js";
import type { Principal } from "../token/principal.js";

/** What has context values: a `HandlerContext` in a handler, or a request in an interceptor. */
export type WithContextValues = { readonly values: ContextValues } | { readonly contextValues: ContextValues };

/**
 * Where the verified caller of a call is found in its context values.
 *
 * Only the server side of latchkey sets it, from a verified token; undefined on public methods. Context values never
 * come from the peer, so it cannot be forged by a header.
 */
export const principalKey: ContextKey<Principal | undefined> = createContextKey<Principal | undefined>(undefined, {
  description: "latchkey principal",
});

/**
 * Gives the verified caller of a call, or undefined on a public method.
 *
 * @param context - The handler's context, or the request in an interceptor that runs inside latchkey's.
 */
export function getPrincipal(context: WithContextValues): Principal | undefined {
  return ("values" in context ? context.values : context.contextValues).get(principalKey);
}

/**
 * Gives the verified caller of a call.
 *
 * @example
 * ```ts
 * import type { HandlerContext } from "@connectrpc/connect";
 * import { requirePrincipal } from "latchkey/server";
 *
 * export function whoAmI(_request: unknown, context: HandlerContext): { text: string } {
 *   return { text: requirePrincipal(context).principalId };
 * }
 * ```
 *
 * @param context - The handler's context, or the request in an interceptor that runs inside latchkey's.
 * @throws ConnectError `unauthenticated` when there is none, as on a public method.
 */
export function requirePrincipal(context: WithContextValues): Principal {
  const principal = getPrincipal(context);
  if (principal === undefined) {
    throw toConnectError(new TokenRejectedError("ERR_CREDENTIALS_MISSING", "the call has no verified caller"));
  }
  return principal;
}
