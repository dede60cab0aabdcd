import { assertFields, assertNonEmptyStrings, assertPositive, type FieldsOf } from "../lib/options.js";
import { type MountServer, RPC_PROTOCOLS, type RpcProtocol } from "./conformance-mount.js";
import { type CaseResult, explainPattern } from "./conformance-pattern.js";
import { CLOCK_RULES, type ConformanceRule, hostileTokenRule, RULES } from "./conformance-rules.js";
import { type ConformanceServer, startConformanceServer } from "./conformance-server.js";
import { CALL_KINDS, type CallKind } from "./echo-call.js";
import { HOSTILE_TOKEN_RECIPES } from "./hostile-token-maker.js";
import type { ManualClock } from "./manual-clock.js";
import { createTestIssuer, type TestIssuer } from "./test-issuer.js";

/** Options of {@link authConformance}; every field has a default. */
export interface AuthConformanceOptions {
  /** The protocols that the server speaks. gRPC needs HTTP/2. @defaultValue all three */
  readonly protocols?: readonly RpcProtocol[];
  /** The kinds of calls that the server serves. Bidirectional streams need HTTP/2. @defaultValue all four */
  readonly kinds?: readonly CallKind[];
  /** Whom the server trusts. @defaultValue an issuer in memory of its own */
  readonly issuer?: TestIssuer;
  /**
   * The clock that the server runs on, and an `issuer` that is given: adds the cases about streams whose token expires.
   * It is moved forward, so cases must not run side by side. @defaultValue none
   */
  readonly clock?: ManualClock;
  /**
   * Longest duration of a call, in milliseconds. Shorter than the timeout of the test runner, or a case that hangs cannot
   * say why. @defaultValue `2_500` (2.5 seconds)
   */
  readonly timeoutMs?: number;
}

/** One thing that the server has to do, in one protocol and with one kind of call. */
export interface ConformanceCase {
  /** Protocol, kind, and what the server does. */
  readonly name: string;
  /** How the calls are sent. */
  readonly protocol: RpcProtocol;
  /** Their kind. */
  readonly kind: CallKind;
  /** Starts the server if need be. Resolves when it does it; rejects with an Error that says what it did instead. */
  readonly run: () => Promise<void>;
}

/** The examination of a server. */
export interface AuthConformance extends AsyncDisposable {
  /** All cases, for the test runner to list. Each stands alone; all of them call one server. */
  readonly cases: readonly ConformanceCase[];
  /**
   * Runs all cases in turn and stops the server. Rejects with one AggregateError that lists all that failed, and says what
   * is missing where they tell; with an Error that says why when there is no server to call.
   */
  run(): Promise<void>;
  /** Stops the server, if a case has started it. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULTS = { timeoutMs: 2_500 } as const satisfies AuthConformanceOptions;

const FIELDS: FieldsOf<AuthConformanceOptions> = {
  protocols: true,
  kinds: true,
  issuer: true,
  clock: true,
  timeoutMs: true,
};

/**
 * Examines whether a server keeps strangers out: every kind of call in every protocol, with good tokens and about two
 * dozen kinds of bad ones.
 *
 * The server is one of yours, set up as in production. It is given an echo service to serve and an issuer to trust, and
 * is started by the first case that runs. Refusals are held against RFC 6750, handlers of refused calls must not be
 * called, errors must not show a part of a token, and the callers of concurrent calls must not be mixed up.
 *
 * Needs no test framework: a case is a name and a function.
 *
 * @example
 * ```ts
 * import { createRouterTransport } from "@connectrpc/connect";
 * import { createServerAuth, getPrincipal } from "latchkey/server";
 * import { authConformance } from "latchkey/testing";
 *
 * const conformance = authConformance(
 *   ({ routes, issuers }) => {
 *     const auth = createServerAuth({ issuers });
 *     const transport = createRouterTransport(auth.routes(routes));
 *     return { transport: () => transport, getPrincipal, [Symbol.asyncDispose]: () => auth[Symbol.asyncDispose]() };
 *   },
 *   { protocols: ["connect"] },
 * );
 * await conformance.run();
 * ```
 *
 * @param mount - Starts the server. When it fails, every case does, for the same reason.
 * @param options - What the server can do, and on which clock it runs.
 * @throws TypeError when `protocols` or `kinds` is empty or has a name that is none, or a field is not an option.
 * @throws RangeError when `timeoutMs` is not a positive finite number.
 */
export function authConformance(mount: MountServer, options: AuthConformanceOptions = {}): AuthConformance {
  assertFields("options", options, FIELDS);
  const { protocols = RPC_PROTOCOLS, kinds = CALL_KINDS, clock, timeoutMs = DEFAULTS.timeoutMs } = options;
  assertNames("protocols", protocols, RPC_PROTOCOLS);
  assertNames("kinds", kinds, CALL_KINDS);
  assertPositive("timeoutMs", timeoutMs);
  let started: Promise<ConformanceServer> | undefined;
  const start = async (): Promise<ConformanceServer> => {
    const issuer = options.issuer ?? (await createTestIssuer(clock && { clock }));
    return startConformanceServer(mount, issuer).catch((cause: unknown) => {
      throw toFailure("the server could not be mounted", cause);
    });
  };
  const ready = (): Promise<ConformanceServer> => (started ??= start());
  const stop = async (): Promise<void> => {
    const starting = started;
    started = undefined;
    // One that did not start has told so to every case.
    const server = await starting?.catch(() => undefined);
    await server?.[Symbol.asyncDispose]();
  };
  const toCase = (protocol: RpcProtocol, kind: CallKind, rule: ConformanceRule): ConformanceCase => ({
    name: `${protocol} ${kind.replace("_", " ")}: ${rule.name}`,
    protocol,
    kind,
    async run() {
      const { issuer, hostileTokens, echo, client } = await ready();
      const subject = `caller-${crypto.randomUUID()}`;
      await rule.check({
        kind,
        issuer,
        hostileTokens,
        clock,
        subject,
        timeoutMs,
        client: client(protocol),
        observe: echo.observe,
      });
    },
  });
  const rules = [...RULES, ...(clock === undefined ? [] : CLOCK_RULES), ...HOSTILE_TOKEN_RECIPES.map(hostileTokenRule)];
  const planned = protocols.flatMap((protocol) =>
    kinds.flatMap((kind) =>
      rules
        .filter((rule) => rule.appliesTo(kind))
        .map((rule) => ({ concern: rule.concern, examination: toCase(protocol, kind, rule) })),
    ),
  );
  const cases = planned.map(({ examination }) => examination);
  return {
    cases,
    async run() {
      // Without a server all cases fail alike: that is said once.
      await ready();
      const results: CaseResult[] = [];
      for (const { concern, examination } of planned) {
        const failure = await examination.run().then(
          () => undefined,
          (cause: unknown) => toFailure(examination.name, cause),
        );
        results.push({ concern, failure });
      }
      const failures = results.flatMap(({ failure }) => failure ?? []);
      await stop().catch((cause: unknown) => failures.push(toFailure("stopping the server", cause)));
      if (failures.length === 0) return;
      const list = failures.map(({ message }) => `\n- ${message}`).join("");
      const pattern = explainPattern(results);
      const meaning = pattern === undefined ? "" : `\n${pattern}`;
      throw new AggregateError(failures, `${failures.length} failures in ${cases.length} cases:${list}${meaning}`);
    },
    [Symbol.asyncDispose]: stop,
  };
}

function toFailure(name: string, cause: unknown): Error {
  return new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

function assertNames(field: string, names: readonly string[], known: readonly string[]): void {
  assertNonEmptyStrings(field, names);
  const stranger = names.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new TypeError(`${field} must be some of ${known.join(", ")}`);
}
