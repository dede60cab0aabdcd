import type { Client } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { callEcho as tryEcho } from "../../src/testing/echo-call.js";

/** The kinds of calls, by the names of the methods that stand for them. */
export const KINDS = ["unary", "serverStream", "clientStream", "bidiStream"] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/**
 * Calls the echo service with one message and reads the answer to its end. Rejects with the `ConnectError` of a refusal.
 *
 * @param token - Sent as a bearer token; no header when undefined.
 * @returns The subject that the handler saw.
 */
export async function callEcho(
  client: Client<typeof EchoService>,
  kind: Kind,
  token: string | undefined,
  orgId = "acme",
): Promise<string> {
  const headers: HeadersInit = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const outcome = await tryEcho(client, EchoService.method[kind].methodKind, { orgIds: [orgId], headers });
  if ("error" in outcome) throw outcome.error;
  return outcome.subjects.at(-1) ?? "";
}

/** Gives the items one after another. */
export async function* items<T>(...list: readonly T[]): AsyncGenerator<T, void, undefined> {
  for (const item of list) yield item;
}
