import type { RequestListener } from "node:http";
import type { CorsHeaders } from "../../src/client.js";

/** What came of the requests of pages. */
export interface CorsLog {
  /** For each preflight request, the headers that the page wants to send. */
  readonly preflights: string[][];
  /** How many other requests came. */
  requests: number;
}

/**
 * Answers preflight requests and lets everything else through to a listener, with the headers that pages need.
 *
 * @param rules - Asked for each request.
 */
export function permitOrigin(
  origin: string,
  rules: () => CorsHeaders,
  listener: RequestListener,
  log: CorsLog,
): RequestListener {
  return (request, response) => {
    const { allowedMethods, allowedHeaders, exposedHeaders } = rules();
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("vary", "origin");
    if (request.method !== "OPTIONS") {
      log.requests++;
      response.setHeader("access-control-expose-headers", exposedHeaders.join(", "));
      return listener(request, response);
    }
    log.preflights.push((request.headers["access-control-request-headers"] ?? "").split(","));
    response.setHeader("access-control-allow-methods", allowedMethods.join(", "));
    response.setHeader("access-control-allow-headers", allowedHeaders.join(", "));
    // A browser that remembers the answer does not ask again.
    response.setHeader("access-control-max-age", "0");
    response.writeHead(204).end();
  };
}
