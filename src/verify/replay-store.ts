/**
 * Remembers which proofs were used, so that none is used twice. A port: in memory, or in a store that several servers
 * share.
 *
 * Asked once per call, after everything else about the proof was found good, so that strangers cannot fill it.
 *
 * @example
 * ```ts
 * import { createClient } from "@keyv/redis";
 * import type { ReplayStore } from "latchkey/verify";
 *
 * const redis = createClient({ url: "redis://127.0.0.1:6379", disableOfflineQueue: true });
 * redis.on("error", (error: unknown) => console.error("Redis cannot be reached", error));
 * await redis.connect();
 *
 * export const replayStore: ReplayStore = {
 *   async claim(id, expiresAtMs) {
 *     const value = Math.max(1, Math.ceil(expiresAtMs - Date.now()));
 *     const answer = await redis.set(`proof:${id}`, "", { condition: "NX", expiration: { type: "PX", value } });
 *     return answer !== null;
 *   },
 * };
 * ```
 */
export interface ReplayStore {
  /**
   * Takes an id for the caller, and tells whether nobody had taken it before. Of any number of claims of one id, however
   * close together and by however many servers, one alone gets `true`.
   *
   * It has to be one step of the store, as `SET … NX` of Redis or an `INSERT` under a unique index. A store that can only
   * get and then set, such as a Keyv, is no replay store: between the two, the same proof is new to everybody.
   *
   * What it throws, or rejects with, or an answer that is no boolean, means that nobody can say: the call is refused as
   * `unavailable`.
   *
   * @param id - 43 characters of base64url; says nothing about the caller.
   * @param expiresAtMs - Until when the id must be remembered, in milliseconds since the epoch. May be longer.
   * @param options - A signal that aborts when the answer would come too late.
   */
  claim(id: string, expiresAtMs: number, options: { readonly signal: AbortSignal }): boolean | Promise<boolean>;
}
