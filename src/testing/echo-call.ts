import type { DescMethod } from "@bufbuild/protobuf";
import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import type { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { aborted } from "../lib/aborted.js";

/** A kind of call, as descriptors of Protobuf-ES name it. */
export type CallKind = DescMethod["methodKind"];

/** All kinds of calls. */
export const CALL_KINDS: readonly CallKind[] = ["unary", "server_streaming", "client_streaming", "bidi_streaming"];

/** What to send to the echo service. */
export interface EchoCallOptions extends CallOptions {
  /** The organisation that each message names. Calls whose request is a single message take the first. */
  readonly orgIds: readonly string[];
  /** Keeps the stream open, in both directions, until it aborts; absent: it ends by itself. */
  readonly open?: AbortSignal;
}

/** How a call ended: with the subject of each answer, or with an error. */
export type Outcome = { readonly subjects: readonly string[] } | { readonly error: ConnectError };

/** Calls the echo service and reads the answers to their end. Never rejects. */
export async function callEcho(
  client: Client<typeof EchoService>,
  kind: CallKind,
  options: EchoCallOptions,
): Promise<Outcome> {
  try {
    return { subjects: await readSubjects(client, kind, options) };
  } catch (error) {
    return { error: ConnectError.from(error) };
  }
}

async function readSubjects(
  client: Client<typeof EchoService>,
  kind: CallKind,
  options: EchoCallOptions,
): Promise<readonly string[]> {
  const messages = options.orgIds.map((orgId) => ({ orgId, text: "hello" }));
  const [first = {}] = messages;
  const subjects: string[] = [];
  switch (kind) {
    case "unary":
      return [(await client.unary(first, options)).subject];
    case "server_streaming": {
      const count = options.open === undefined ? 2 : -1;
      for await (const answer of client.serverStream({ ...first, count }, options)) subjects.push(answer.subject);
      return subjects;
    }
    case "client_streaming":
      return [(await client.clientStream(streamOf(messages, options.open), options)).subject];
    case "bidi_streaming":
      for await (const answer of client.bidiStream(streamOf(messages, options.open), options)) {
        subjects.push(answer.subject);
      }
      return subjects;
  }
}

async function* streamOf<T>(messages: readonly T[], open: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  yield* messages;
  if (open !== undefined) await aborted(open);
}
