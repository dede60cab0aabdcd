import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Principal } from "../token/principal.js";

/**
 * What makes the conditions of policies ready to be evaluated: a port that `celConditions()` of `latchkey/cel`
 * implements, so that who states no conditions needs no CEL.
 */
export interface ConditionCompiler {
  /**
   * Reads the condition of a method, and checks it against what is known at start: names, fields, types.
   *
   * @throws Error whose message says what is wrong; method and expression are named by who reports it.
   */
  compile(source: string, method: DescMethod): Condition;
}

/** A condition ready to be evaluated. */
export interface Condition {
  /** Whether the request counts. It is then evaluated for each message, or else once for the caller. */
  readonly needsRequest: boolean;
  /**
   * Evaluates it; only `true` admits, and what is thrown refuses.
   *
   * A condition that needs the request is first evaluated without one, before any message is read: `false` then says that
   * no message would help, anything else that the messages decide.
   */
  evaluate(principal: Principal, request?: Message): unknown;
}
