import type { DescMethod } from "@bufbuild/protobuf";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertFunction } from "../lib/options.js";
import type { AccessPolicy, MethodAccess, PolicyTable } from "./access-policy.js";
import type { ConditionCompiler } from "./condition.js";
import { createMethodRule, type MethodRule } from "./method-rule.js";
import { parseAccessPolicy, parsePolicyTable } from "./policy-table.js";
import { getProtoPolicy } from "./proto-policy.js";

/** The rules of the methods that are served. */
export interface MethodRules {
  /**
   * Resolves the rules of methods that are going to be served.
   *
   * @throws TypeError that names every method without a policy, every entry of the table that fits no method, and every
   * policy that cannot be applied; nothing is added then.
   */
  add(methods: Iterable<DescMethod>): void;
  /** Gives the rule of a method, added or not; undefined when it has no policy or none that can be applied. */
  find(method: DescMethod): MethodRule | undefined;
  /** Lists the rules of all methods added, in the order they were added. */
  list(): MethodAccess[];
}

/** Options of {@link createMethodRules}; every field has a default. */
export interface MethodRulesOptions {
  /** What makes conditions ready. @defaultValue none: a policy with a condition cannot be applied */
  readonly conditions?: ConditionCompiler | undefined;
  /** What says how long ago a subject authenticated. @defaultValue the clock of this machine */
  readonly clock?: Clock;
  /** How far clocks may be apart, in milliseconds. @defaultValue `0` */
  readonly toleranceMs?: number;
}

const DEFAULTS = { toleranceMs: 0 } as const satisfies MethodRulesOptions;

/** What helps methods that have no policy: said once, however many they are. */
const WITHOUT_POLICY =
  "\nGive each method without a policy the option (latchkey.auth.v1.access), or an entry in `policy`";

/**
 * Creates the rules of a server: an entry of the table beats the method's option, which beats the service's.
 *
 * @throws TypeError when the table is malformed, or `conditions` is no compiler.
 * @throws RangeError when a number in the table is out of range.
 */
export function createMethodRules(table: PolicyTable = {}, options: MethodRulesOptions = {}): MethodRules {
  const { conditions, clock = systemClock, toleranceMs = DEFAULTS.toleranceMs } = options;
  if (conditions !== undefined) assertFunction("conditions.compile", conditions.compile);
  const policies = parsePolicyTable(table);
  const resolveRule = (method: DescMethod): MethodRule | undefined => {
    const access = resolveAccess(policies, method);
    return access && createMethodRule(access, method, { conditions, clock, toleranceMs });
  };
  const served = new Map<DescMethod, MethodRule>();
  const others = new WeakMap<DescMethod, MethodRule>();
  return {
    add(methods) {
      const added = new Map<DescMethod, MethodRule>();
      const problems: string[] = [];
      let advice = "";
      const unused = new Set(policies.keys());
      for (const method of served.keys()) forgetKeys(unused, method);
      for (const method of methods) {
        forgetKeys(unused, method);
        try {
          const rule = resolveRule(method);
          if (rule !== undefined) {
            added.set(method, rule);
          } else {
            problems.push(`${methodName(method)} has no policy`);
            advice = WITHOUT_POLICY;
          }
        } catch (error) {
          problems.push(error instanceof Error ? error.message : String(error));
        }
      }
      // A misspelt key would leave a method under a weaker rule than the one meant for it.
      for (const key of unused) problems.push(`policy["${key}"] fits no method that is served`);
      if (problems.length > 0) {
        throw new TypeError(`The policy cannot be applied:\n- ${problems.join("\n- ")}${advice}`);
      }
      for (const [method, rule] of added) served.set(method, rule);
    },
    find(method) {
      const known = served.get(method) ?? others.get(method);
      if (known !== undefined) return known;
      try {
        const rule = resolveRule(method);
        if (rule !== undefined) others.set(method, rule);
        return rule;
      } catch {
        return undefined;
      }
    },
    list: () => Array.from(served.values(), ({ method, source, policy }) => ({ method, source, policy })),
  };
}

/** Gives the full name of a method as policies and events have it. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

function resolveAccess(policies: ReadonlyMap<string, AccessPolicy>, method: DescMethod): MethodAccess | undefined {
  const name = methodName(method);
  const inCode = policies.get(name) ?? policies.get(serviceKey(method));
  if (inCode !== undefined) return { method: name, source: "code", policy: inCode };
  const inProto = getProtoPolicy(method);
  if (inProto === undefined) return undefined;
  const { source, policy } = inProto;
  return { method: name, source, policy: parseAccessPolicy(`${name} (${source})`, policy) };
}

function forgetKeys(keys: Set<string>, method: DescMethod): void {
  keys.delete(methodName(method));
  keys.delete(serviceKey(method));
}

function serviceKey(method: DescMethod): string {
  return `${method.parent.typeName}/*`;
}
