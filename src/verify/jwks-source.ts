import type { Jwks } from "../jwks/jwks.js";
import type { KeySource } from "./key-source.js";

/**
 * Takes the keys of an issuer from a key cache. A key that leaves the published set, or a set past its stale window, is
 * no longer current that very moment.
 *
 * @param owned - Whether the cache ends with the source.
 */
export function createJwksSource(jwks: Jwks, owned: boolean): KeySource {
  let generation = 0;
  const listening = jwks.onChange(() => void generation++);
  return {
    async getKey(kid, alg) {
      const key = await jwks.getKey({ kid, alg });
      return { key, principal: undefined, handle: key };
    },
    isCurrent: (kid, alg, handle) => jwks.peekKey({ kid, alg }) === handle,
    get generation() {
      return generation;
    },
    // The issuer alone says which keys are in its set.
    forgetKey() {},
    [Symbol.dispose]() {
      listening[Symbol.dispose]();
      if (owned) jwks[Symbol.dispose]();
    },
  };
}
