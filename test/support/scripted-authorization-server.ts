import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What an endpoint answers with; status 200 and JSON unless said otherwise. */
export interface OAuthAnswer {
  readonly status?: number;
  /** Headers; `"date": ""` leaves that one out. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes go out as they are, anything else as JSON. */
  readonly body?: unknown;
  /** Waited for before the headers go out. */
  readonly after?: Promise<unknown>;
  /** Waited for after the body went out and before it ends. */
  readonly endAfter?: Promise<unknown>;
  /** Cuts the connection instead of answering. */
  readonly reset?: boolean;
}

/** Answers by the number of the request, counted from 1 per endpoint. */
export type OAuthScript = OAuthAnswer | ((hit: number) => OAuthAnswer);

/** A token request as the server saw it. */
export interface SeenTokenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly parameters: URLSearchParams;
}

/** A token endpoint and metadata on a port of their own. */
export interface ScriptedAuthorizationServer extends AsyncDisposable {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly tokenRequests: readonly SeenTokenRequest[];
  /** Paths of the requests for metadata. */
  readonly metadataRequests: readonly string[];
  /** Requests that ended before their answer did. */
  readonly aborted: number;
  /** Answers of the token endpoint from now on. */
  answer(script: OAuthScript): void;
  /** Answers to requests for metadata from now on. */
  answerMetadata(script: (path: string, hit: number) => OAuthAnswer): void;
  /** Resolves when that many token requests have come. */
  reached(tokenRequests: number): Promise<void>;
  /** Resolves when that many requests for metadata have come. */
  reachedMetadata(requests: number): Promise<void>;
  /** Resolves when that many requests have ended before their answer did. */
  reachedAborts(count: number): Promise<void>;
}

/** What a server answers that has nothing against anybody. */
export function tokenAnswer(members: Readonly<Record<string, unknown>> = {}): OAuthAnswer {
  return { body: { access_token: "token-1", token_type: "Bearer", expires_in: 3_600, ...members } };
}

/** Starts a server on a free loopback port: metadata below `/.well-known/`, the token endpoint everywhere else. */
export async function startAuthorizationServer(
  first: OAuthScript = tokenAnswer(),
): Promise<ScriptedAuthorizationServer> {
  let script = first;
  const tokenRequests: SeenTokenRequest[] = [];
  const metadataRequests: string[] = [];
  let aborted = 0;
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
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.on("close", () => {
      if (!response.writableFinished) aborted++;
      wake();
    });
    const path = request.url ?? "";
    let body = "";
    for await (const chunk of request) body += chunk;
    let answer: OAuthAnswer;
    if (path.includes("/.well-known/")) {
      metadataRequests.push(path);
      answer = metadata(path, metadataRequests.length);
    } else {
      tokenRequests.push({ path, headers: request.headers, parameters: new URLSearchParams(body) });
      answer = typeof script === "function" ? script(tokenRequests.length) : script;
    }
    wake();
    await send(answer, response);
  };
  // A client that has gone away fails the answer; that is what some tests are about.
  const server = createServer((request, response) => void respond(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tokenEndpoint = `${issuer}/token`;
  let metadata: (path: string, hit: number) => OAuthAnswer = () => ({
    body: { issuer, token_endpoint: tokenEndpoint },
  });
  return {
    issuer,
    tokenEndpoint,
    tokenRequests,
    metadataRequests,
    get aborted() {
      return aborted;
    },
    answer(next) {
      script = next;
    },
    answerMetadata(next) {
      metadata = next;
    },
    reached: (count) => until(() => tokenRequests.length >= count),
    reachedMetadata: (count) => until(() => metadataRequests.length >= count),
    reachedAborts: (count) => until(() => aborted >= count),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function send(answer: OAuthAnswer, response: ServerResponse): Promise<void> {
  await answer.after;
  if (answer.reset === true) {
    response.destroy();
    return;
  }
  const { date, ...headers } = answer.headers ?? {};
  response.sendDate = date !== "";
  if (date !== undefined && date !== "") response.setHeader("date", date);
  response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...headers });
  const { body = {} } = answer;
  response.write(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body));
  await answer.endAfter;
  response.end();
}
