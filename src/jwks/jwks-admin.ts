import { KeysUnavailableError } from "../errors.js";
import { notify } from "../lib/notify.js";
import { assertFields, assertFunction, type FieldsOf, typeName } from "../lib/options.js";
import { raceSignal } from "../lib/signal.js";
import { type Success, toErrorResponse, toResponse } from "./jwks-admin-answer.js";
import { readRegistrationBody } from "./jwks-admin-body.js";
import {
  abortedRefusal,
  internalRefusal,
  JwksAdminRefusal,
  toAuthorizeRefusal,
  toRefreshRefusal,
} from "./jwks-admin-refusal.js";
import { type JwksAdminRoute, parseRoute, ROUTE_METHODS } from "./jwks-admin-route.js";
import { toStatusBody } from "./jwks-admin-status.js";
import type { JwksRegistry } from "./jwks-registry.js";

/** Options of {@link createJwksAdmin}. */
export interface JwksAdminOptions {
  /**
   * Resolves with nothing when the caller may operate the registry. It refuses by rejecting: with
   * {@link TokenRejectedError} (401), {@link AccessDeniedError} (403), {@link KeysUnavailableError} (503); anything else,
   * and resolving with a value, is 500. It gets the request with its body unread, and leaves it so.
   */
  readonly authorize: (request: Request) => Promise<void>;
  /** Path that the handler is mounted at, such as `/admin/jwks`. @defaultValue `""` */
  readonly basePath?: string;
  /** Names providers that PUT or DELETE leave alone (409). @defaultValue none */
  readonly isReadOnly?: (tenantId: string, providerId: string, method: "PUT" | "DELETE") => boolean;
  /** Told of what is answered with 500: the caller learns no more than that. @defaultValue nobody */
  readonly onError?: (error: unknown) => void;
}

const DEFAULTS = {
  basePath: "",
  isReadOnly: () => false,
  onError() {},
} as const satisfies Omit<Required<JwksAdminOptions>, "authorize">;

const OPTIONS: FieldsOf<JwksAdminOptions> = { authorize: true, basePath: true, isReadOnly: true, onError: true };

/** Fields as the messages of the registry begin with them. */
const FIELD = /^registration\.([A-Za-z]+)/;

/**
 * Creates the HTTP interface of a registry for operators, as a fetch handler.
 *
 * Below `basePath`: `GET /providers` (all, or those of `?tenant=`), `GET`, `PUT` and `DELETE /providers/TENANT/PROVIDER`,
 * and `POST /providers/TENANT/PROVIDER/refresh`. A PUT body is JSON with the fields of {@link JwksRegistration} but its
 * ids, `fetch` and `allowLoopbackHttp`, 64 KiB at most, and replaces a registration as a whole. These two are then what
 * the `defaults` of the registry say: pins belong there, or else `isReadOnly` should name the provider. Every error is
 * JSON, `{ "error": { "code", "message", "field" } }`; `docs/jwks-admin.openapi.json` describes every answer.
 *
 * `authorize` decides before anything else of a request is looked at, its path and method included. Whoever it lets in
 * decides which keys verify the tokens of every tenant, and which https: URLs this process asks: it is meant for those
 * who run the service. It should know them by a header: a cookie comes along from any page. Answers are never cached, and
 * hold no key but its "kid", and no query of a URL.
 *
 * The handler never rejects. A request that is aborted is given up on, `authorize` included; a refresh under way goes on
 * for others.
 *
 * Spec: RFC 9110 section 9.3 (methods), RFC 6750 section 3 (challenges).
 *
 * @example
 * ```ts
 * import { AccessDeniedError } from "latchkey";
 * import { createJwksAdmin, createJwksRegistry } from "latchkey/jwks";
 * import { createVerifier, parseBearer } from "latchkey/verify";
 *
 * const registry = createJwksRegistry();
 * const verifier = createVerifier({
 *   issuers: [
 *     {
 *       issuer: "https://idp.example",
 *       audience: "https://jobs.example/admin",
 *       algorithms: ["ES256"],
 *       jwksUri: "https://idp.example/jwks.json",
 *     },
 *   ],
 * });
 * const handle = createJwksAdmin(registry, {
 *   basePath: "/admin/jwks",
 *   async authorize({ headers, signal }) {
 *     const { roles } = await verifier.verify(parseBearer(headers.get("authorization")), { signal });
 *     if (!roles.has("operator")) throw new AccessDeniedError("ERR_ROLE_MISSING", "Operators only");
 *   },
 * });
 * const response = await handle(new Request("https://jobs.example/admin/jwks/providers"));
 * ```
 *
 * @param registry - What is operated; disposing it stays your task.
 * @param options - Who may operate it, and where it is mounted.
 * @returns The handler.
 * @throws TypeError naming the option that is missing, unknown or cannot be used.
 */
export function createJwksAdmin(
  registry: JwksRegistry,
  options: JwksAdminOptions,
): (request: Request) => Promise<Response> {
  if (typeof registry?.statuses !== "function") throw new TypeError("registry must be a JwksRegistry");
  const { authorize, basePath, isReadOnly, onError } = resolveOptions(options);

  const admit = async (request: Request): Promise<void> => {
    let verdict: unknown;
    try {
      verdict = await raceSignal((async () => authorize(request))(), request.signal);
    } catch (error) {
      throw toAuthorizeRefusal(error) ?? error;
    }
    // A predicate in the place of this function would let everybody in whom it says no to.
    if (verdict !== undefined) throw new TypeError("authorize must resolve with nothing");
  };

  const show = (tenantId: string, providerId: string, status = 200): Success => {
    const found = registry.status(tenantId, providerId);
    if (found === undefined) throw noProvider();
    return { status, body: toStatusBody(found) };
  };

  const put = async (request: Request, tenantId: string, providerId: string): Promise<Success> => {
    const registration = { ...(await readRegistrationBody(request)), tenantId, providerId };
    // Nothing happens between the question and what follows from it, so that of two requests at once the last one wins.
    const isNew = registry.status(tenantId, providerId) === undefined;
    try {
      if (isNew) registry.register(registration);
      else registry.update(registration);
    } catch (error) {
      throw toFieldRefusal(error) ?? error;
    }
    return show(tenantId, providerId, isNew ? 201 : 200);
  };

  const refresh = async (request: Request, tenantId: string, providerId: string): Promise<Success> => {
    show(tenantId, providerId);
    try {
      await registry.refresh(tenantId, providerId, { signal: request.signal });
    } catch (error) {
      // Gone while it was refreshed.
      show(tenantId, providerId);
      throw toRefreshRefusal(error) ?? error;
    }
    return show(tenantId, providerId);
  };

  const answer = async (request: Request): Promise<Success> => {
    await admit(request);
    const { pathname, searchParams } = new URL(request.url);
    const route = parseRoute(pathname, basePath);
    assertMethod(request.method, route);
    if (route.kind === "providers") {
      return { status: 200, body: { providers: registry.statuses(readTenant(searchParams)).map(toStatusBody) } };
    }
    const { tenantId, providerId } = route;
    if (route.kind === "refresh") return refresh(request, tenantId, providerId);
    const { method } = request;
    if (method !== "PUT" && method !== "DELETE") return show(tenantId, providerId);
    if (isReadOnly(tenantId, providerId, method)) {
      throw new JwksAdminRefusal(
        409,
        "ERR_READ_ONLY",
        "The provider belongs to the service and cannot be changed here",
      );
    }
    if (method === "PUT") return put(request, tenantId, providerId);
    if (!registry.unregister(tenantId, providerId)) throw noProvider();
    return { status: 204 };
  };

  return async (request) => {
    let response: Response;
    try {
      response = toResponse(await answer(request));
    } catch (error) {
      let refusal = error instanceof JwksAdminRefusal ? error : undefined;
      // The registry throws this when it is disposed.
      const isOver = request.signal.aborted || error instanceof KeysUnavailableError;
      if (refusal === undefined && isOver) refusal = abortedRefusal();
      if (refusal === undefined) notify(onError, error);
      response = toErrorResponse(refusal ?? internalRefusal());
    }
    return request.method === "HEAD" ? new Response(null, response) : response;
  };
}

function resolveOptions(options: JwksAdminOptions): Required<JwksAdminOptions> {
  assertFields("options", options, OPTIONS);
  const { authorize, basePath = DEFAULTS.basePath, isReadOnly, onError } = options;
  const functions = { authorize, isReadOnly: isReadOnly ?? DEFAULTS.isReadOnly, onError: onError ?? DEFAULTS.onError };
  for (const [name, value] of Object.entries(functions)) assertFunction(`options.${name}`, value);
  if (typeof basePath !== "string") {
    throw new TypeError(`options.basePath must be a string, got ${typeName(basePath)}`);
  }
  // What the URL parser would write otherwise could match no request.
  if (basePath !== "" && (basePath.endsWith("/") || URL.parse(basePath, "http://base")?.pathname !== basePath)) {
    throw new TypeError('options.basePath must be an absolute path without a slash at its end, such as "/admin/jwks"');
  }
  return { ...functions, basePath };
}

function assertMethod(method: string, { kind }: JwksAdminRoute): void {
  const methods = ROUTE_METHODS[kind];
  if (methods.includes(method)) return;
  const message = "The path does not have this method";
  throw new JwksAdminRefusal(405, "ERR_METHOD_NOT_ALLOWED", message, { headers: { allow: methods.join(", ") } });
}

/** The one parameter there is. A misspelt one would show what was not asked for. */
function readTenant(parameters: URLSearchParams): string | undefined {
  const names = [...parameters.keys()];
  if (names.length === 0) return undefined;
  if (names.length === 1 && names[0] === "tenant") return parameters.get("tenant") ?? undefined;
  throw new JwksAdminRefusal(400, "ERR_FIELD_INVALID", "The only query parameter is tenant, once", { field: "tenant" });
}

/** Whether a registry refused a registration: its message, which names the field and shows no value but numbers. */
function toFieldRefusal(error: unknown): JwksAdminRefusal | undefined {
  if (!(error instanceof TypeError || error instanceof RangeError)) return undefined;
  const field = FIELD.exec(error.message)?.[1];
  // Otherwise a mistake of ours.
  if (field === undefined) return undefined;
  return new JwksAdminRefusal(400, "ERR_FIELD_INVALID", error.message, { field });
}

function noProvider(): JwksAdminRefusal {
  return new JwksAdminRefusal(404, "ERR_NOT_FOUND", "There is no such provider");
}
