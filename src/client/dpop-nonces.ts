import { createLruMap } from "./lru-map.js";

/** The nonces that servers want to find in proofs, the latest of each server. */
export interface DpopNonces {
  /** Gives the nonce for a server; undefined as long as it has given none. */
  get(origin: string): string | undefined;
  /** Learns from the headers of an answer, whatever its status. */
  note(origin: string, headers: Headers): void;
}

/** How many servers are remembered; one that is forgotten asks again. */
const MOST_SERVERS = 256;

// RFC 9449 section 8.1: visible ASCII without quote and backslash. Two of them, joined by a comma and a space, are none.
const NONCE = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/;

/**
 * Creates a memory of nonces. A server that gives one may give another with each answer.
 *
 * Spec: RFC 9449 sections 8.2 and 9.
 */
export function createDpopNonces(): DpopNonces {
  const nonces = createLruMap<string, { readonly value: string }>(MOST_SERVERS);
  return {
    get: (origin) => nonces.get(origin)?.value,
    note(origin, headers) {
      const value = headers.get("dpop-nonce");
      if (value !== null && NONCE.test(value)) nonces.set(origin, { value });
    },
  };
}
