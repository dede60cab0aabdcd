import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import { assertRealm } from "../connect-errors.js";
import { systemClock } from "../lib/clock.js";
import { assertFunction, assertNotNegative } from "../lib/options.js";
import type { MethodAccess, PolicyTable } from "../policy/access-policy.js";
import type { ConditionCompiler } from "../policy/condition.js";
import { createMethodRules } from "../policy/method-rules.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry } from "../telemetry/telemetry.js";
import type { Principal } from "../token/principal.js";
import { createVerifier } from "../verify/verifier.js";
import type { VerifierOptions } from "../verify/verifier-options.js";
import { createAdmissions } from "./admission.js";
import { createGate } from "./gate.js";
import { createDeleteIdentity } from "./identity-headers.js";
import { createAuthInterceptor } from "./interceptor.js";
import { type AdapterOptions, protectAdapter } from "./protect.js";
import { createRejectionEvents, type ServerAuthEvent } from "./rejection-events.js";
import { assertResourceMetadata } from "./resource-metadata.js";
import { guardRoutes } from "./routes.js";
import { resolveStreamOptions, type StreamOptions } from "./stream-options.js";

/** Options of {@link createServerAuth}; beside these, those of the verifier. */
export interface ServerAuthOptions extends VerifierOptions {
  /** Rules in code; each replaces what the `.proto` files say about its methods. @defaultValue none */
  readonly policy?: PolicyTable;
  /**
   * Evaluates the conditions of policies: {@link celConditions} of `latchkey/cel`. @defaultValue none: a method that has a
   * condition cannot be served
   */
  readonly conditions?: ConditionCompiler;
  /** The "realm" of challenges: printable ASCII without quote and backslash. @defaultValue `"latchkey"` */
  readonly realm?: string;
  /**
   * URL of the metadata of this service (RFC 9728), told in challenges, from which clients learn whose tokens to bring.
   * Publishing it is up to you. @defaultValue not told
   */
  readonly resourceMetadata?: string;
  /**
   * Names, in any case, of headers in which proxies hand on who calls. They are deleted from every call before handlers,
   * and gates and interceptors of the application, see it: who reaches this server past the proxy could claim anything.
   * `[]` keeps all, for a server that is reached through its proxy alone. @defaultValue {@link IDENTITY_HEADERS}
   */
  readonly identityHeaders?: readonly string[];
  /** How long streams go on, and who hears of their end. */
  readonly streams?: StreamOptions;
  /**
   * Is told of refused calls, of each code at most 10 times per second, and as often of calls that failed by a mistake of
   * the server's own; every event says how many of its kind were left out before it. What it throws is dropped.
   */
  readonly onEvent?: (event: ServerAuthEvent) => void;
}

/** The authentication of a server. */
export interface ServerAuth {
  /**
   * Mounts everything: gives a copy of the options of an adapter (Node.js, Fastify, Express) in which every service that
   * `routes` registers is guarded, and request bodies are capped at 4 MiB unless `readMaxBytes` says otherwise.
   *
   * Paths that no service has are answered 404 without reading a body, by the adapter for Node.js, unless the options
   * have a `fallback`.
   *
   * Interceptors and gates of the application run after ours. The adapter throws `TypeError` when it calls the routes
   * and a method has no policy, naming each.
   */
  protect<T extends AdapterOptions>(options: T): T;
  /**
   * A `requestGate`: authenticates before the body is read. {@link ServerAuth.protect} mounts it. Alone it leaves out
   * rules about messages and the end of streams: it needs the interceptor beside it.
   *
   * Throws, or rejects with, the `ConnectError` to answer; gives no promise where nothing has to be waited for.
   */
  readonly gate: (context: HandlerContext) => void | Promise<void>;
  /**
   * An interceptor: applies rules about messages, ends streams whose token has expired, and authenticates calls that no
   * gate has looked at. {@link ServerAuth.protect} mounts it. Alone it is safe and not cheap: without the gate, a unary
   * request is read and parsed before anybody asks who sent it.
   */
  readonly interceptor: Interceptor;
  /**
   * Guards every service that the routes register, for places that take routes and no adapter options, such as
   * `createRouterTransport`. What the router itself was given cannot be seen from here: interceptors and switched-off
   * protocols belong into the options of the services then, and so does `readMaxBytes`.
   */
  routes(routes: (router: ConnectRouter) => void): (router: ConnectRouter) => void;
  /** Forgets a looked-up key and every token verified with it, at once; for a credential that is revoked or changed. */
  forgetKey(issuer: string, kid: string): void;
  /** Verifies a token outside of a call, as `createVerifier` of `latchkey/verify` does. */
  verify(token: string, options?: { readonly signal?: AbortSignal }): Promise<Principal>;
  /** Lists the rule of every method mounted so far, and where it comes from. */
  audit(): MethodAccess[];
  /** Ends the timers and requests of the key caches. Calls that come later may be refused as `unavailable`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULTS = { clockToleranceSeconds: 5, realm: "latchkey" } satisfies ServerAuthOptionsDefaults;
type ServerAuthOptionsDefaults = Required<Pick<ServerAuthOptions, "clockToleranceSeconds" | "realm">>;

/**
 * Creates the authentication of a Connect server: who calls, by bearer token, and whether they may.
 *
 * A call is admitted before its body is read: one `Authorization: Bearer` header, a token that one of the issuers signed
 * for this service, and the rule of the method. Its caller is then found with {@link getPrincipal}. Every request
 * message is held against the rule's organisation field, and a stream ends once its caller's token has expired by more
 * than the clock tolerance. Every method needs an explicit rule, in its `.proto` file or in `policy`; a server with a
 * method that has none does not start.
 *
 * A token seen before costs a hash and a look-up. Nothing is fetched before the first call.
 *
 * Refusals are `unauthenticated` and `permission_denied`, each with a challenge, `unavailable` when the keys of the
 * issuer cannot be had, `resource_exhausted` under a flood of unknown tokens, and `invalid_argument` for a request
 * whose Host is missing, malformed or there twice. Handlers find upstream `unauthenticated` errors turned into
 * `internal`, so that a caller's good token is not blamed.
 *
 * Spec: RFC 6750 section 3 (challenges), RFC 9068 section 4 (validation of access tokens).
 *
 * @example
 * ```ts
 * import { createServer } from "node:http2";
 * import type { ConnectRouter } from "@connectrpc/connect";
 * import { connectNodeAdapter } from "@connectrpc/connect-node";
 * import { createServerAuth } from "latchkey/server";
 *
 * const auth = createServerAuth({
 *   issuers: [
 *     {
 *       issuer: "https://idp.example",
 *       audience: "https://jobs.example",
 *       algorithms: ["ES256"],
 *       jwksUri: "https://idp.example/jwks.json",
 *     },
 *   ],
 * });
 * const routes = (_router: ConnectRouter): void => {};
 * createServer(connectNodeAdapter(auth.protect({ routes }))).listen(8080);
 * ```
 *
 * @param options - Whom to trust, and for what.
 * @throws TypeError if the policy table is malformed, the realm cannot stand in a header, one of `identityHeaders` is no
 * name of a header or one that calls are authenticated by, or an issuer is not fully described.
 * @throws RangeError if a number is out of range.
 */
export function createServerAuth(options: ServerAuthOptions): ServerAuth {
  // What is left is the verifier's, which refuses what it does not know.
  const { policy, conditions, realm, resourceMetadata, identityHeaders, streams, onEvent, ...verification } = options;
  const { clockToleranceSeconds = DEFAULTS.clockToleranceSeconds, clock = systemClock } = verification;
  const telemetry = createGuardedTelemetry(verification.telemetry ?? noTelemetry);
  const challenge = { realm: realm ?? DEFAULTS.realm, resourceMetadata };
  assertRealm(challenge.realm);
  if (resourceMetadata !== undefined) assertResourceMetadata(resourceMetadata);
  if (onEvent !== undefined) assertFunction("onEvent", onEvent);
  const streamSettings = resolveStreamOptions(streams);
  const deleteIdentity = createDeleteIdentity(identityHeaders);
  assertNotNegative("clockToleranceSeconds", clockToleranceSeconds);
  const toleranceMs = clockToleranceSeconds * 1_000;
  const rules = createMethodRules(policy, { conditions, clock, toleranceMs });
  const verifier = createVerifier({ ...verification, clockToleranceSeconds });
  const report = createRejectionEvents(onEvent, telemetry, clock);
  const admissions = createAdmissions({ verifier, rules, challenge, report, deleteIdentity });
  const gate = createGate(admissions);
  const interceptor = createAuthInterceptor({ admissions, toleranceMs, streams: streamSettings, clock });
  return {
    protect: (adapterOptions) => protectAdapter(adapterOptions, { gate, interceptor }, rules),
    gate,
    interceptor,
    routes: (routes) => guardRoutes(routes, { gate, interceptor }, rules, {}),
    forgetKey: (issuer, kid) => verifier.forgetKey(issuer, kid),
    verify: (token, verifyOptions) => verifier.verify(token, verifyOptions),
    audit: () => rules.list(),
    [Symbol.asyncDispose]: () => verifier[Symbol.asyncDispose](),
  };
}
