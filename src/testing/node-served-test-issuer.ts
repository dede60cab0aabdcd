import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { assertCount, assertFields, assertPositiveInteger, type FieldsOf } from "../lib/options.js";
import { createAnswerScript, type HeldAnswer, type TestIssuerEndpoint } from "./answer-script.js";
import { assertAnswer, type TestIssuerFault, type TestIssuerResponse, toWireAnswer } from "./issuer-answer.js";
import { ENDPOINT_PATHS, findEndpoint, publishDocument } from "./issuer-documents.js";
import { sendAnswer } from "./node-send-answer.js";
import { createRequestCounter } from "./request-counter.js";
import { createTestIssuer, type TestIssuer, type TestIssuerOptions } from "./test-issuer.js";

/** Options of {@link serveTestIssuer}; every field has a default. */
export interface ServeTestIssuerOptions extends TestIssuerOptions {
  /** The "iss" of its tokens; discovery finds it by the default alone. @defaultValue the URL it is served at */
  readonly issuer?: string;
  /** How long caches may hold good answers, in whole seconds. @defaultValue `300` (5 minutes) */
  readonly maxAgeSeconds?: number;
}

/** Which requests a scripted answer is for, and how many of them. */
export interface AnswerNextOptions {
  /** How many requests. @defaultValue `1` */
  readonly times?: number;
  /** For what. @defaultValue any endpoint */
  readonly endpoint?: TestIssuerEndpoint;
}

/** Where an answer is kept back. */
export interface HoldOptions {
  /** Before the headers, or in the middle of the body. @defaultValue `"headers"` */
  readonly at?: "headers" | "body";
  /** For what. @defaultValue any endpoint */
  readonly endpoint?: TestIssuerEndpoint;
}

/** A test issuer whose keys and metadata are served over HTTP, well or badly. */
export interface ServedTestIssuer extends TestIssuer, AsyncDisposable {
  /** Where it is served: `http://127.0.0.1` and a port. */
  readonly url: string;
  /** Where its key set is. */
  readonly jwksUri: string;
  /** Answers the next requests in another way. Scripted answers are used up in the order of the calls. */
  answerNext(answer: TestIssuerFault | TestIssuerResponse, options?: AnswerNextOptions): void;
  /** Keeps the next answer back until it is released. It holds what is published when the request comes. */
  hold(options?: HoldOptions): HeldAnswer;
  /** How many requests have come, to an endpoint or at all. */
  requests(endpoint?: TestIssuerEndpoint): number;
  /** Resolves when so many requests have come since the start, to an endpoint or at all. */
  reached(count: number, endpoint?: TestIssuerEndpoint): Promise<void>;
  /** Lets go of answers kept back, cuts all connections, and closes the port. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULTS = { maxAgeSeconds: 5 * 60 } as const satisfies ServeTestIssuerOptions;

const ANSWER_FIELDS: FieldsOf<AnswerNextOptions> = { times: true, endpoint: true };
const HOLD_FIELDS: FieldsOf<HoldOptions> = { at: true, endpoint: true };

/**
 * Creates an issuer for tests and serves it on a free port of the loopback interface.
 *
 * It publishes its key set and its metadata, each with `Cache-Control` and `ETag`, and answers 304 to those who have the
 * present version. {@link ServedTestIssuer.answerNext} and {@link ServedTestIssuer.hold} script what goes wrong. Nothing
 * waits for time to pass.
 *
 * Spec: RFC 7517 section 5 (JWK Set), RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4 (metadata).
 *
 * @example
 * ```ts
 * import { createServerAuth } from "latchkey/server";
 * import { serveTestIssuer } from "latchkey/testing";
 *
 * await using issuer = await serveTestIssuer();
 * const auth = createServerAuth({ issuers: [issuer.trusted()], allowLoopbackHttp: true });
 * issuer.answerNext({ status: 503, headers: { "retry-after": "1" } }, { times: 2 });
 * const refused = auth.verify(await issuer.mint());
 * await issuer.reached(1, "jwks");
 * ```
 *
 * @param options - As for an issuer in memory, and how long its answers are fresh.
 * @returns The issuer; dispose it to close its port.
 * @throws TypeError when a field is not an option. Rejects with it, as with everything else; `answerNext` and `hold` throw
 * it.
 * @throws RangeError when `maxAgeSeconds` is negative or not an integer.
 */
export async function serveTestIssuer(options: ServeTestIssuerOptions = {}): Promise<ServedTestIssuer> {
  const { maxAgeSeconds = DEFAULTS.maxAgeSeconds, ...issuerOptions } = options;
  assertCount("maxAgeSeconds", maxAgeSeconds);
  const script = createAnswerScript();
  const requests = createRequestCounter<TestIssuerEndpoint | "other">();
  const server = createServer((request, response) => {
    // A client that has gone away fails the answer; that is what some tests are about.
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = await createTestIssuer({ ...issuerOptions, issuer: issuerOptions.issuer ?? url }).catch(
    (error: unknown) => {
      server.close();
      throw error;
    },
  );
  const jwksUri = `${url}${ENDPOINT_PATHS.jwks}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const endpoint = findEndpoint(new URL(request.url ?? "", url).pathname);
    requests.add(endpoint ?? "other");
    if (endpoint === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(endpoint === undefined ? 404 : 405).end();
      return;
    }
    const entry = script.take(endpoint);
    const good = await publishDocument(issuer, endpoint, { url, maxAgeSeconds });
    const isHeld = request.headers["if-none-match"] === good.headers["etag"];
    await sendAnswer(response, toWireAnswer(entry?.answer ?? (isHeld ? "not-modified" : {}), good), entry?.hold);
  }

  return {
    ...issuer,
    get kid() {
      return issuer.kid;
    },
    url,
    jwksUri,
    trusted: () => ({ issuer: issuer.issuer, audience: issuer.audience, algorithms: issuer.algorithms, jwksUri }),
    answerNext(scripted, answerOptions = {}) {
      assertAnswer(scripted);
      assertFields("options", answerOptions, ANSWER_FIELDS);
      const { times = 1, endpoint } = answerOptions;
      assertPositiveInteger("times", times);
      for (let left = times; left > 0; left--) script.add({ answer: scripted, endpoint });
    },
    hold(holdOptions = {}) {
      assertFields("options", holdOptions, HOLD_FIELDS);
      const { at = "headers", endpoint } = holdOptions;
      return script.hold(at, endpoint);
    },
    requests: requests.count,
    reached: requests.reached,
    async [Symbol.asyncDispose]() {
      script.releaseAll();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
