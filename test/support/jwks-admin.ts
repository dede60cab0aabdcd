import { createJwksAdmin, type JwksAdminOptions } from "../../src/jwks/jwks-admin.js";
import { createJwksRegistry, type JwksRegistry } from "../../src/jwks/jwks-registry.js";
import type { JwksRegistryOptions } from "../../src/jwks/jwks-registry-options.js";
import { type ApiDescription, readApiDescription } from "./api-description.js";

/** The description of every answer that an admin handler gives. */
export const JWKS_ADMIN_API: ApiDescription = readApiDescription("docs/jwks-admin.openapi.json");

/** An answer, read to its end. */
export interface AdminAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON; undefined without a body. */
  // biome-ignore lint/suspicious/noExplicitAny: what it is, the description says
  readonly body: any;
}

/** What a request has beside method and path. */
export interface AdminRequestInit {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Text, bytes and streams go out as they are, anything else as JSON. */
  readonly body?: unknown;
}

/** A registry and its admin handler. */
export interface AdminFixture extends AsyncDisposable {
  readonly registry: JwksRegistry;
  readonly handle: (request: Request) => Promise<Response>;
  /** Asks, and throws unless the answer is as described. */
  ask(method: string, path: string, init?: AdminRequestInit): Promise<AdminAnswer>;
}

/** Opens a registry that fetches from loopback servers, once per refresh, and a handler that lets everybody in. */
export function openAdmin(
  options: Partial<JwksAdminOptions> = {},
  registryOptions: JwksRegistryOptions = {},
): AdminFixture {
  const registry = createJwksRegistry({
    ...registryOptions,
    defaults: { allowLoopbackHttp: true, retries: 0, ...registryOptions.defaults },
  });
  const handle = createJwksAdmin(registry, { authorize: async () => {}, ...options });
  return {
    registry,
    handle,
    async ask(method, path, init = {}) {
      const request = toRequest(method, `http://admin.test${path}`, init);
      const response = await handle(request);
      const { status, headers } = response;
      const text = await response.text();
      const pathname = new URL(request.url).pathname.slice(options.basePath?.length ?? 0);
      const mismatch = JWKS_ADMIN_API.findMismatch({ method, pathname }, { status, headers, text });
      if (mismatch !== undefined)
        throw new Error(`${method} ${path} is answered with what is not described: ${mismatch}`);
      return { status, headers, text, body: text === "" ? undefined : JSON.parse(text) };
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

function toRequest(method: string, url: string, { body, ...init }: AdminRequestInit): Request {
  const headers = new Headers(init.headers);
  if (body === undefined) return new Request(url, { ...init, method, headers });
  const isRaw = typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  const raw = isRaw ? (body as BodyInit) : JSON.stringify(body);
  // Node's types do not know that a stream needs this.
  return new Request(url, { ...init, method, headers, body: raw, duplex: "half" } as RequestInit);
}
