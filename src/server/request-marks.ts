import { type ContextKey, type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import { readClientCertificate } from "./client-certificate.js";
import { layeredContextValues } from "./layered-context-values.js";
import type { HttpSocket } from "./lingering-close.js";
import { INVALID_AUTHORITY, isValidAuthority } from "./request-authority.js";

/** What only the HTTP server sees of a request, noted for the gate. */
export interface RequestMarks {
  /** The connection, when it serves one request after another, as HTTP/1.x does. */
  readonly http1Socket: HttpSocket | undefined;
  /** Whether Host or ":authority" was malformed, missing, or there twice. */
  readonly hasBadAuthority: boolean;
  /** Whether there was more than one Authorization line. */
  readonly hasManyAuthorizations: boolean;
  /** Names and values of headers as they came, one after another; empty where a gateway made the request up. */
  readonly rawHeaders: readonly string[];
  /** Gives the thumbprint of the certificate that the peer showed; undefined when it showed none. */
  readonly clientCertificate: () => string | undefined;
}

/** Where the marks of a call are found; undefined when its adapter knows no HTTP request. */
export const requestMarksKey: ContextKey<RequestMarks | undefined> = createContextKey<RequestMarks | undefined>(
  undefined,
  { description: "latchkey request marks" },
);

/** The part of a Node.js request that is looked at; requests of HTTP/1 and HTTP/2 have it both. */
interface NodeRequest {
  readonly httpVersionMajor: number;
  readonly rawHeaders: readonly string[];
  readonly headers: Record<string, string | string[] | undefined>;
  readonly socket: HttpSocket;
  /** Of HTTP/2 alone. */
  readonly stream?: { readonly session?: { readonly socket: unknown } | undefined };
}

/**
 * Notes what the gate has to know of a request, in context values of its own.
 *
 * An authority that no URL can be built from is replaced: adapters build the URL right after, outside of any
 * try/catch, where it would end the process.
 *
 * @param request - A request of `node:http` or `node:http2`, or an object that has one as `raw`, as Fastify's does.
 * @param base - Context values of the application, if any; they are read through, and never written.
 */
export function markRequest(request: unknown, base: ContextValues | undefined): ContextValues {
  const values = base === undefined ? createContextValues() : layeredContextValues(base);
  const nodeRequest = findNodeRequest(request);
  return nodeRequest === undefined ? values : values.set(requestMarksKey, readMarks(nodeRequest));
}

function readMarks(request: NodeRequest): RequestMarks {
  const { headers, rawHeaders } = request;
  let hosts = 0;
  let authorities = 0;
  let authorizations = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
    else if (name.length === 10 && name === ":authority") authorities++;
    else if (name.length === 13 && name.toLowerCase() === "authorization") authorizations++;
  }
  const { host } = headers;
  const authority = headers[":authority"] ?? host;
  // RFC 9113 section 8.3.1: a Host that differs from ":authority" makes the request malformed.
  const isOne = hosts <= 1 && authorities <= 1 && (host === undefined || host === authority);
  const hasBadAuthority = !isOne || typeof authority !== "string" || !isValidAuthority(authority);
  if (hasBadAuthority) {
    if (request.httpVersionMajor >= 2) headers[":authority"] = INVALID_AUTHORITY;
    headers["host"] = INVALID_AUTHORITY;
  }
  const http1Socket = request.httpVersionMajor < 2 ? request.socket : undefined;
  return {
    http1Socket,
    hasBadAuthority,
    hasManyAuthorizations: authorizations > 1,
    rawHeaders,
    // The socket of an HTTP/2 request is an object of that request alone: nothing could be remembered of the connection.
    clientCertificate: () => readClientCertificate(request.stream?.session?.socket ?? request.socket),
  };
}

function findNodeRequest(request: unknown): NodeRequest | undefined {
  if (isNodeRequest(request)) return request;
  if (typeof request === "object" && request !== null && "raw" in request && isNodeRequest(request.raw)) {
    return request.raw;
  }
  return undefined;
}

function isNodeRequest(request: unknown): request is NodeRequest {
  return (
    typeof request === "object" &&
    request !== null &&
    "httpVersionMajor" in request &&
    "rawHeaders" in request &&
    Array.isArray(request.rawHeaders) &&
    "headers" in request &&
    "socket" in request
  );
}
