import { type ContextKey, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { Principal } from "../token/principal.js";
import { principalKey } from "./principal-key.js";

/**
 * Gives the context values of a call, in which nothing that happens to them elsewhere changes who calls.
 *
 * An application may hand out the same context values for several calls, and the gate of the next one would write its
 * caller there. All else is read from `base` and written to it.
 */
export function callerValues(base: ContextValues, principal: Principal | undefined): ContextValues {
  const own = createContextValues().set(principalKey, principal);
  const valuesOf = (key: Pick<ContextKey<unknown>, "id">): ContextValues => (key.id === principalKey.id ? own : base);
  return {
    get: (key) => valuesOf(key).get(key),
    set(key, value) {
      valuesOf(key).set(key, value);
      return this;
    },
    delete(key) {
      valuesOf(key).delete(key);
      return this;
    },
  };
}
