import type { ContextKey, ContextValues } from "@connectrpc/connect";
import type { Principal } from "../token/principal.js";
import { principalKey } from "./principal-key.js";

/**
 * Gives the context values of a call, in which nothing that happens to them elsewhere changes who calls.
 *
 * An application may hand out the same context values for several calls, and the gate of the next one would write its
 * caller there. All else is read from `base` and written to it.
 */
export function callerValues(base: ContextValues, principal: Principal | undefined): ContextValues {
  let caller: unknown = principal;
  return {
    // Nothing but its own type was ever set under the key of the caller.
    get: <T>(key: ContextKey<T>) => (key.id === principalKey.id ? (caller as T) : base.get(key)),
    set(key, value) {
      if (key.id === principalKey.id) caller = value;
      else base.set(key, value);
      return this;
    },
    delete(key) {
      if (key.id === principalKey.id) caller = principalKey.defaultValue;
      else base.delete(key);
      return this;
    },
  };
}
