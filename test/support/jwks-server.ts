import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
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

/** What the server shows of itself: PEM, the certificate first and then what else it sends along. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface JwksServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far. */
  readonly hits: number;
  /** The requests, as they came. */
  readonly requests: readonly IncomingMessage[];
  /** Connections that ended before their answer did. */
  readonly aborted: number;
  /** Connections so far. */
  readonly connections: number;
  /** Of each connection whose TLS handshake was done, whether it resumed a session. */
  readonly resumptions: readonly boolean[];
  /** Shows another certificate from now on; only for a server that was started with one. */
  identify(identity: ServerIdentity): void;
  /** Ends the connections that are open. */
  disconnect(): void;
  /** Answers from now on. */
  answer(answer: JwksAnswer | ((hit: number) => JwksAnswer)): void;
  /** Resolves when that many requests have come. */
  reached(hits: number): Promise<void>;
  /** Resolves when that many connections have ended before their answer did. */
  reachedAborts(count: number): Promise<void>;
}

/**
 * Starts a server on a free loopback port that answers every path by the script: over HTTPS when it is given an
 * identity, else over HTTP.
 */
export async function startJwksServer(
  first: JwksAnswer | ((hit: number) => JwksAnswer) = {},
  identity?: ServerIdentity,
): Promise<JwksServer> {
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
  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(request);
    response.on("close", () => {
      if (!response.writableFinished) aborted++;
      wake();
    });
    const answer = typeof script === "function" ? script(requests.length) : script;
    wake();
    // A client that has gone away fails the answer; that is what some tests are about.
    send(answer, response).catch(() => response.destroy());
  };
  const resumptions: boolean[] = [];
  const secured = identity && createTlsServer(identity, listen);
  secured?.on("secureConnection", (socket) => resumptions.push(socket.isSessionReused()));
  const server = secured ?? createServer(listen);
  let connections = 0;
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${secured === undefined ? "http" : "https"}://127.0.0.1:${port}/jwks.json`,
    get hits() {
      return requests.length;
    },
    requests,
    get aborted() {
      return aborted;
    },
    get connections() {
      return connections;
    },
    resumptions,
    identify: (next) => secured?.setSecureContext(next),
    disconnect: () => server.closeAllConnections(),
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
