import type { Client } from "@connectrpc/connect";
import type { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";

/** The kinds of calls. */
export const KINDS = ["unary", "serverStream", "clientStream", "bidiStream"] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/**
 * Calls the echo service with one message and reads the answer to its end.
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
  const options = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
  let subject = "";
  switch (kind) {
    case "unary":
      return (await client.unary({ orgId, text: "hi" }, options)).subject;
    case "serverStream":
      for await (const answer of client.serverStream({ orgId, text: "hi", count: 2 }, options)) {
        subject = answer.subject;
      }
      return subject;
    case "clientStream":
      return (await client.clientStream(items({ orgId, text: "hi" }), options)).subject;
    case "bidiStream":
      for await (const answer of client.bidiStream(items({ orgId, text: "hi" }), options)) subject = answer.subject;
      return subject;
  }
}

/** Gives the items one after another. */
export async function* items<T>(...list: readonly T[]): AsyncGenerator<T, void, undefined> {
  for (const item of list) yield item;
}
