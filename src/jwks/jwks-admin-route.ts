import { JwksAdminRefusal } from "./jwks-admin-refusal.js";

/** What the path of a request of an operator names. */
export type JwksAdminRoute =
  | { readonly kind: "providers" }
  | { readonly kind: "provider" | "refresh"; readonly tenantId: string; readonly providerId: string };

/** Methods of each kind of path. */
export const ROUTE_METHODS: Readonly<Record<JwksAdminRoute["kind"], readonly string[]>> = {
  providers: ["GET", "HEAD"],
  provider: ["GET", "HEAD", "PUT", "DELETE"],
  refresh: ["POST"],
};

/**
 * Reads a path. Names are decoded once and not looked at: one that no provider can have belongs to none.
 *
 * @param pathname - The `pathname` of a parsed `URL`, so that dot segments are gone.
 * @param basePath - What the path has to begin with.
 * @throws JwksAdminRefusal 404 for a path of no operation, 400 when a name is not percent-encoded UTF-8.
 */
export function parseRoute(pathname: string, basePath: string): JwksAdminRoute {
  const [root, ...segments] = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length + 1).split("/") : [];
  if (root !== "providers") throw notFound();
  if (segments.length === 0) return { kind: "providers" };
  const [tenantId = "", providerId = "", action, ...rest] = segments;
  if (tenantId === "" || providerId === "" || rest.length > 0) throw notFound();
  if (action !== undefined && action !== "refresh") throw notFound();
  return {
    kind: action === undefined ? "provider" : "refresh",
    tenantId: decode(tenantId),
    providerId: decode(providerId),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new JwksAdminRefusal(400, "ERR_MALFORMED", "The path is not percent-encoded UTF-8");
  }
}

function notFound(): JwksAdminRefusal {
  return new JwksAdminRefusal(404, "ERR_NOT_FOUND", "There is nothing at this path");
}
