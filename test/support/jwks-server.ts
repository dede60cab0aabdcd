import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the server answers with; status 200, JSON and no key unless said otherwise. */
export interface JwksAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes go out as they are, chunks one by one, anything else as JSON. */
  readonly body?: unknown;
  /** Waited for before the headers go out. */
  readonly after?: Promise<unknown>;
  /** Cuts the connection instead of answering. */
  readonly reset?: boolean;
}

export interface JwksServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far. */
  readonly hits: number;
  /** The requests, as they came. */
  readonly requests: readonly IncomingMessage[];
  /** Connections that ended before their answer did. */
  readonly aborted: number;
  /** Answers from now on. */
  answer(answer: JwksAnswer | ((hit: number) => JwksAnswer)): void;
  /** Resolves when that many requests have come. */
  reached(hits: number): Promise<void>;
  /** Resolves when that many connections have ended before their answer did. */
  reachedAborts(count: number): Promise<void>;
}

/** Starts an HTTP server on a free loopback port that answers every path by the script. */
export async function startJwksServer(first: JwksAnswer | ((hit: number) => JwksAnswer) = {}): Promise<JwksServer> {
  let script = first;
  let aborted = 0;
  const requests: IncomingMessage[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const server = createServer((request, response) => {
    requests.push(request);
    response.on("close", () => {
      if (!response.writableFinished) aborted++;
      wake();
    });
    const answer = typeof script === "function" ? script(requests.length) : script;
    wake();
    // A client that has gone away fails the answer; that is what some tests are about.
    send(answer, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    get hits() {
      return requests.length;
    },
    requests,
    get aborted() {
      return aborted;
    },
    answer(next) {
      script = next;
    },
    reached: (hits) => until(() => requests.length >= hits),
    reachedAborts: (count) => until(() => aborted >= count),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function send(answer: JwksAnswer, response: ServerResponse): Promise<void> {
  await answer.after;
  if (answer.reset === true) {
    response.destroy();
    return;
  }
  response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
  const { body = { keys: [] } } = answer;
  if (typeof body === "string" || body instanceof Uint8Array) {
    response.end(body);
  } else if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) {
    for await (const chunk of body as AsyncIterable<string | Uint8Array>) {
      if (response.destroyed) return;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
  } else {
    response.end(JSON.stringify(body));
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
