/**
 * `latchkey/cel`: conditions of policies in CEL. Needs the optional peer `@bufbuild/cel`.
 *
 * @module
 */

export { type CelConditionsOptions, celConditions } from "./policy/cel-conditions.js";
export type { Condition, ConditionCompiler } from "./policy/condition.js";
