import { type CelInput, CelScalar, celEnv, celError, isCelError, parse, plan } from "@bufbuild/cel";
import { createRegistry, type DescFile, type DescMethod } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { assertFields, assertPositiveInteger, type FieldsOf } from "../lib/options.js";
import type { Principal } from "../token/principal.js";
import { checkExpression } from "./cel-checker.js";
import { createMeter, insertMeter, type Meter } from "./cel-meter.js";
import { toCelPrincipal } from "./cel-principal.js";
import type { Condition, ConditionCompiler } from "./condition.js";

/** Options of {@link celConditions}. */
export interface CelConditionsOptions {
  /**
   * Most steps of one evaluation: each item that a loop goes through and each function or operator called is one, and so
   * are 512 characters or 16 entries looked at; a `matches` costs 20 times that, a conversion of JSON 32 times. One that
   * takes more refuses. The default is enough for a list of some 9,000 entries and a simple test of each, or for matching
   * 900. @defaultValue `20_000`
   */
  readonly maxSteps?: number;
}

const OPTIONS: FieldsOf<CelConditionsOptions> = { maxSteps: true };

const DEFAULTS = { maxSteps: 20_000 } as const satisfies CelConditionsOptions;

/**
 * Evaluates the conditions of policies, which are CEL expressions that must give `true`.
 *
 * An expression may refer to
 *
 * - `principal`, with the fields `subject`, `principal_id`, `org`, `roles` and `scopes` (lists), `issuer`, `audience` (a
 *   list), `kid`, `expires_at` (a timestamp) and `claims` (a map of all claims). A caller without an organisation has no
 *   `org`: `has(principal.org)` is false, and everything else about it an error.
 * - `request`, the message, with its fields as the `.proto` file names them;
 * - `method`, the full name, such as `pkg.Service/Method`;
 * - enum values by their full names, such as `pkg.State.STATE_OPEN`, and the standard functions and macros of CEL.
 *
 * Conditions are checked when routes are mounted: names, fields and types as far as they are known. Claims and JSON in
 * messages are not; their numbers are doubles, which compare with integers, and are added to doubles alone
 * (`principal.claims.level + 1.0`). Messages cannot be compared as a whole, and `google.protobuf.Any` not looked into; a
 * pattern of `matches` has to be written out. An expression that gives anything but `true` refuses, and so does one that
 * fails, as by reading a claim that is not there: `has(principal.claims.level)` asks first.
 *
 * What does not mention `request` is decided before the body is read. What does is evaluated there as well, as far as the
 * caller alone decides, so that `"admin" in principal.roles && request.size < 10` refuses others early; a stream without
 * any message is then never held against the rest.
 *
 * A simple evaluation costs one to two microseconds, each `matches` 5 to 20 more on a word or two. `maxSteps` bounds one
 * to a tenth of a second, whatever callers send.
 *
 * Spec: the CEL language definition, https://github.com/cel-expr/cel-spec. Needs the optional peer `@bufbuild/cel`.
 *
 * @example
 * ```ts
 * import { celConditions } from "latchkey/cel";
 * import { createServerAuth } from "latchkey/server";
 *
 * const auth = createServerAuth({
 *   issuers: [{ issuer: "https://idp.example", audience: "jobs", algorithms: ["ES256"], discovery: true }],
 *   conditions: celConditions(),
 *   policy: {
 *     "jobs.v1.JobService/Purge": { condition: "'admin' in principal.roles && principal.claims.level >= 2" },
 *   },
 * });
 * ```
 *
 * @param options - Limits; every field has a default.
 * @returns A compiler for the option `conditions` of {@link createServerAuth}.
 * @throws TypeError or RangeError if an option is not usable.
 */
export function celConditions(options: CelConditionsOptions = {}): ConditionCompiler {
  assertFields("options", options, OPTIONS);
  const { maxSteps = DEFAULTS.maxSteps } = options;
  assertPositiveInteger("options.maxSteps", maxSteps);
  const meter = createMeter(maxSteps);
  // A token seen before has the principal of before.
  const principals = new WeakMap<Principal, CelInput>();
  const toCel = (principal: Principal): CelInput => {
    let value = principals.get(principal);
    if (value === undefined) {
      value = toCelPrincipal(principal);
      principals.set(principal, value);
    }
    return value;
  };
  return { compile: (source, method) => compile(source, method, meter, toCel) };
}

// Whatever depends on it is an error too, and the rest is decided without it.
const NO_REQUEST = celError("there is no request yet") as unknown as CelInput;

function compile(source: string, method: DescMethod, meter: Meter, toCel: (of: Principal) => CelInput): Condition {
  const env = celEnv({ registry: createRegistry(...filesOf(method.input.file)), funcs: meter.functions });
  const { expr } = parse(source);
  const checked = checkExpression(expr, env, method.input);
  const { type, needsRequest } = checked;
  if (type !== CelScalar.BOOL && type !== CelScalar.DYN) throw new TypeError(`it gives a ${type} and not a bool`);
  insertMeter(checked);
  const evaluate = plan(env, expr);
  const name = `${method.parent.typeName}/${method.name}`;
  return {
    needsRequest,
    evaluate(principal, message) {
      const request = message === undefined ? NO_REQUEST : reflect(method.input, message);
      const variables = { principal: toCel(principal), request, method: name };
      const value = meter.run(() => evaluate(Object.assign(Object.create(meter.bindings), variables)));
      return isCelError(value) ? undefined : value;
    },
  };
}

/** Each file once: the same one is imported along many ways. */
function filesOf(file: DescFile, seen: Set<DescFile> = new Set()): ReadonlySet<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const dependency of file.dependencies) filesOf(dependency, seen);
  return seen;
}
