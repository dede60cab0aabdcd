import {
  type CelFunc,
  type CelInput,
  type CelList,
  CelScalar,
  type CelValue,
  celEnv,
  celError,
  celFunc,
  celList,
  celMethod,
  isCelError,
  isCelList,
} from "@bufbuild/cel";
import type { CheckedExpression, Expr } from "./cel-checker.js";
import { CONVERSION, FAILURE_STEPS, RANGE, stepsOf } from "./cel-steps.js";

/** Bounds what evaluations cost, whatever callers send. One at a time. */
export interface Meter {
  /** The standard functions, each of which counts the steps it takes. */
  readonly functions: CelFunc[];
  /** What evaluations have to be given beside their variables. */
  readonly bindings: Readonly<Record<string, CelInput>>;
  /** Runs an evaluation; gives undefined in place of the value of one that took too many steps. */
  run<T>(evaluate: () => T): T | undefined;
}

/** A variable that no expression can name. */
const TICK = "@tick";

/** Creates a {@link Meter}. */
export function createMeter(maxSteps: number): Meter {
  // Made once: making an error takes many steps.
  const outOfSteps = celError("the evaluation takes too many steps");
  let leftSteps = maxSteps;
  const spend = (steps: number): void => {
    leftSteps -= steps;
    if (leftSteps < 0) throw outOfSteps;
  };
  const concat = createConcat();
  const meter = (original: CelFunc): CelFunc => {
    const { name, target, result } = original;
    const call = (self: CelValue | undefined, values: CelValue[]): CelInput => {
      spend(stepsOf(original, self === undefined ? values : [self, ...values], leftSteps));
      const [one, other] = values;
      if (name === "_+_" && isCelList(one) && isCelList(other)) return concat(one, other);
      const value = original.call(0, self, values);
      if (value !== undefined && !isCelError(value)) return value;
      spend(FAILURE_STEPS);
      throw value;
    };
    const asked = [...original.arguments];
    if (target === undefined) return celFunc(name, asked, result, (...values) => call(undefined, values));
    return celMethod(name, target, asked, result, function (...values) {
      return call(this, values);
    });
  };
  const own = [RANGE, CONVERSION].map((name) => celFunc(name, [CelScalar.DYN], CelScalar.DYN, (value) => value));
  return {
    functions: [...celEnv().funcs, ...own].map(meter),
    bindings: {
      // A loop goes on with what a function throws, as with any value. What this throws ends the evaluation.
      get [TICK]() {
        spend(1);
        return true;
      },
    },
    run(evaluate) {
      leftSteps = maxSteps;
      const value = withoutStackTraces(evaluate);
      return leftSteps < 0 ? undefined : value;
    },
  };
}

/** Makes an expression count its loops and conversions, by changing it. */
export function insertMeter({ loops, conversions }: CheckedExpression): void {
  for (const expr of conversions) wrap(expr, CONVERSION);
  for (const { iterRange, loopCondition } of loops) {
    if (iterRange !== undefined) wrap(iterRange, RANGE);
    if (loopCondition !== undefined) wrap(loopCondition, "_&&_", identifier(TICK, loopCondition.id));
  }
}

/**
 * Joins lists by copying. The library's own way puts one list into another: after the thousand steps of a `filter` they
 * are a thousand deep.
 */
function createConcat(): (one: CelList, other: CelList) => CelList {
  const copies = new WeakMap<CelList, readonly CelValue[]>();
  const itemsOf = (list: CelList): readonly CelValue[] => copies.get(list) ?? [...list];
  return (one, other) => {
    const items = itemsOf(one).concat(itemsOf(other));
    const joined = celList(items);
    copies.set(joined, items);
    return joined;
  };
}

/** In an expression errors are values, many of them in a loop: their traces would take longer than all else. */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  // Not by assignment, which throws where the built-in objects are frozen.
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return work();
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

function wrap(expr: Expr, name: string, ...before: readonly Expr[]): void {
  const inner: Expr = { ...expr };
  expr.exprKind = {
    case: "callExpr",
    value: { $typeName: "cel.expr.Expr.Call", function: name, args: [...before, inner] },
  };
}

function identifier(name: string, id: bigint): Expr {
  const value = { $typeName: "cel.expr.Expr.Ident", name } as const;
  return { $typeName: "cel.expr.Expr", id, exprKind: { case: "identExpr", value } };
}
