import type { Logger } from "pino";
import { AccessDeniedError } from "../../errors.js";
import { createJwksAdmin } from "../../jwks/jwks-admin.js";
import type { JwksRegistry } from "../../jwks/jwks-registry.js";
import type { ServerAuth } from "../../server/server-auth.js";
import { parseBearer } from "../../token/bearer.js";
import { OPERATOR_ROLE } from "../names.js";
import { isReadOnlyProvider } from "./key-registry.js";
import { JWKS_ADMIN_PATH } from "./web-app.js";

/** What operators work on, and what decides who they are. */
export interface OperationsOptions {
  readonly registry: JwksRegistry;
  /** Verifies their tokens. */
  readonly auth: Pick<ServerAuth, "verify">;
  /** The exact "iss" of the server's own tokens. */
  readonly issuer: string;
  readonly log: Logger;
}

/**
 * Creates the handler of operators: of whoever has a token of the server's own issuer with the role operator.
 *
 * No other issuer can give that power, whatever roles its tokens name: the keys in the caches verify the tokens of every
 * organisation, and the admin of one must not decide about those; other issuers least of all.
 */
export function createOperations({
  registry,
  auth,
  issuer,
  log,
}: OperationsOptions): (request: Request) => Promise<Response> {
  const handle = createJwksAdmin(registry, {
    basePath: JWKS_ADMIN_PATH,
    isReadOnly: isReadOnlyProvider,
    async authorize({ headers, signal }) {
      const principal = await auth.verify(parseBearer(headers.get("authorization")), { signal });
      if (principal.issuer === issuer && principal.roles.has(OPERATOR_ROLE)) return;
      throw new AccessDeniedError("ERR_ROLE_MISSING", "This needs the role operator in a token of the server itself");
    },
    onError: (error) => log.error({ err: error }, "a request of an operator failed"),
  });
  return async (request) => {
    const response = await handle(request);
    const { method, url } = request;
    // By an operator, or else it would have been refused.
    if (response.ok && CHANGES.has(method)) log.info({ method, path: new URL(url).pathname }, "request of an operator");
    return response;
  };
}

const CHANGES: ReadonlySet<string> = new Set(["PUT", "DELETE", "POST"]);
