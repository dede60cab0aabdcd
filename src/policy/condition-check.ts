import type { DescMethod, Message } from "@bufbuild/protobuf";
import { AccessDeniedError } from "../errors.js";
import type { Principal } from "../token/principal.js";
import type { MethodAccess } from "./access-policy.js";
import type { Condition, ConditionCompiler } from "./condition.js";

/** The condition of a method, made ready to be applied to calls. Each part throws {@link AccessDeniedError}. */
export interface ConditionCheck {
  /** Applies as much of it as needs no message. */
  checkCaller(principal: Principal): void;
  /** Applies it to a message; absent when no message counts. */
  readonly checkMessage?: (principal: Principal, message: Message) => void;
}

/**
 * Prepares the condition of a method.
 *
 * @returns undefined when it has none.
 * @throws TypeError naming the method and the condition that cannot be compiled.
 */
export function createConditionCheck(
  access: MethodAccess,
  method: DescMethod,
  conditions: ConditionCompiler | undefined,
): ConditionCheck | undefined {
  const source = access.policy.condition;
  if (source === undefined) return undefined;
  const condition = compile(`${access.method}: condition ${JSON.stringify(source)}`, source, method, conditions);
  return {
    checkCaller(principal) {
      const verdict = verdictOf(condition, principal);
      if (condition.needsRequest ? verdict === false : verdict !== true) throw notMet();
    },
    ...(condition.needsRequest && {
      checkMessage(principal, message) {
        if (verdictOf(condition, principal, message) !== true) throw notMet();
      },
    }),
  };
}

function compile(
  where: string,
  source: string,
  method: DescMethod,
  conditions: ConditionCompiler | undefined,
): Condition {
  if (conditions === undefined) {
    throw new TypeError(`${where} needs the option conditions: celConditions() from "latchkey/cel"`);
  }
  try {
    return conditions.compile(source, method);
  } catch (cause) {
    throw new TypeError(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function verdictOf(condition: Condition, principal: Principal, message?: Message): unknown {
  try {
    return condition.evaluate(principal, message);
  } catch {
    // Whether it fails depends on what callers send: that refuses them, and is no mistake of the server.
    return undefined;
  }
}

function notMet(): AccessDeniedError {
  return new AccessDeniedError("ERR_CONDITION_NOT_MET", "The method's condition does not hold for the call");
}
