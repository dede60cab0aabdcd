import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { closeGently } from "../../server/lingering-close.js";
import type { RequestHandler } from "./listener.js";

/** Where operators find the key caches. */
export const JWKS_ADMIN_PATH = "/admin/jwks";

/** What the part of the server that is not RPC needs. */
export interface WebAppOptions {
  /** Answers what the issuer publishes. */
  readonly issuerEndpoints: (request: Request) => Promise<Response>;
  /** Answers operators, under {@link JWKS_ADMIN_PATH}; undefined: nobody does. */
  readonly jwksAdmin?: (request: Request) => Promise<Response>;
  /** Tells whether calls can be served at present. */
  readonly isReady: () => Promise<boolean>;
  /** Told of what failed; the peer learns no more than that it did. */
  readonly onError: (error: unknown) => void;
}

/**
 * Creates the handler of everything that is not RPC: the issuer's keys and metadata under `/.well-known/`, `/healthz`
 * (the process lives), `/readyz` (calls can be served), and the key caches for operators.
 */
export function createWebApp({ issuerEndpoints, jwksAdmin, isReady, onError }: WebAppOptions): RequestHandler {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(async (context, next) => {
    await next();
    const { incoming } = context.env;
    if (incoming.complete || incoming.httpVersionMajor > 1) return;
    // Otherwise Node.js reads the rest of a body that nobody wants, to use the connection again. HTTP/2 resets the stream.
    context.header("connection", "close");
    closeGently(incoming.socket);
  });
  app.onError((error, context) => {
    onError(error);
    return context.json({ status: "failed" }, 500);
  });
  app.all("/.well-known/*", (context) => issuerEndpoints(context.req.raw));
  if (jwksAdmin !== undefined) app.all(`${JWKS_ADMIN_PATH}/*`, (context) => jwksAdmin(context.req.raw));
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", async (context) =>
    (await isReady()) ? context.json({ status: "ready" }) : context.json({ status: "not ready" }, 503),
  );
  // Connect's client side in this process uses the global fetch classes: they stay as they are.
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (request, response) => {
    // The same objects; the two packages spell the optional members of their types differently.
    listener(request, response as Parameters<typeof listener>[1]).catch(() => response.destroy());
  };
}
