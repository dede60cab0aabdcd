import { type CelEnv, CelScalar, type CelType, celEnv, listType, mapType, type parse } from "@bufbuild/cel";
import type { DescMessage } from "@bufbuild/protobuf";
import { callType, itemType, memberType } from "./cel-calls.js";
import { PRINCIPAL, PRINCIPAL_FIELDS } from "./cel-principal.js";
import { fieldType, holdsJson, isAssignable, joinTypes, messageType } from "./cel-types.js";

/** An expression as the parser gives it: its macros are loops already. */
export type Expr = ReturnType<typeof parse>["expr"];

type ExprOf<K> = Extract<Expr["exprKind"], { case: K }>["value"];

/** A loop of an expression. */
export type Loop = ExprOf<"comprehensionExpr">;

/** What is known of an expression before it is evaluated. */
export interface CheckedExpression {
  /** Type of what it gives. */
  readonly type: CelType;
  /** Whether it mentions `request`. */
  readonly needsRequest: boolean;
  /** All loops in it. */
  readonly loops: readonly Loop[];
  /** The parts that make CEL values of JSON in a message, anew each time. */
  readonly conversions: readonly Expr[];
}

type Scope = ReadonlyMap<string, CelType>;

const { BOOL, BYTES, DOUBLE, DYN, INT, NULL, STRING, TYPE, UINT } = CelScalar;

const CONSTANTS: Readonly<Record<string, CelType>> = {
  boolValue: BOOL,
  bytesValue: BYTES,
  doubleValue: DOUBLE,
  int64Value: INT,
  nullValue: NULL,
  stringValue: STRING,
  uint64Value: UINT,
} satisfies Partial<Record<NonNullable<ExprOf<"constExpr">["constantKind"]["case"]>, CelType>>;

const TYPE_NAMES: ReadonlySet<string> = new Set("bool bytes double int list map null_type string type uint".split(" "));

/**
 * Checks the names and types of an expression over `principal`, `request` and `method`. The library that evaluates
 * expressions takes any, and would say so only at a call.
 *
 * @param env - Functions, and the registry that has the enums it may name.
 * @param request - Type of `request`.
 * @throws TypeError saying what is wrong.
 */
export function checkExpression(root: Expr, env: CelEnv, request: DescMessage): CheckedExpression {
  const globals: Scope = new Map([
    ["principal", PRINCIPAL],
    ["request", messageType(request)],
    ["method", STRING],
  ]);
  const loops: Loop[] = [];
  const conversions: Expr[] = [];
  let needsRequest = false;
  return { type: typeOf(root, new Map()), needsRequest, loops, conversions };

  function typeOf(expr: Expr | undefined, scope: Scope): CelType {
    switch (expr?.exprKind.case) {
      case "constExpr":
        return CONSTANTS[expr.exprKind.value.constantKind.case ?? ""] ?? DYN;
      case "identExpr":
        return variableType(expr.exprKind.value.name, scope);
      case "selectExpr":
        return selectType(expr, expr.exprKind.value, scope);
      case "callExpr":
        return typeOfCall(expr.exprKind.value, scope);
      case "listExpr":
        return listType(joinTypes(expr.exprKind.value.elements.map((element) => typeOf(element, scope))));
      case "structExpr":
        return typeOfMap(expr.exprKind.value, scope);
      case "comprehensionExpr":
        return typeOfLoop(expr.exprKind.value, scope);
      default:
        throw new TypeError("it has a part of an unknown kind");
    }
  }

  function variableType(name: string, scope: Scope): CelType {
    const local = scope.get(name);
    if (local !== undefined) return local;
    if (TYPE_NAMES.has(name)) return TYPE;
    const type = globals.get(name);
    if (type === undefined) throw new TypeError(`there is no variable "${name}", only principal, request and method`);
    needsRequest ||= name === "request";
    return type;
  }

  function selectType(expr: Expr, { operand, field: name, testOnly }: ExprOf<"selectExpr">, scope: Scope): CelType {
    if (isEnumValue(expr, scope)) return INT;
    const type = typeOf(operand, scope);
    if (type === PRINCIPAL) {
      const field = PRINCIPAL_FIELDS.get(name);
      const known = [...PRINCIPAL_FIELDS.keys()].join(", ");
      if (field === undefined) throw new TypeError(`principal has no field "${name}", only ${known}`);
      return testOnly ? BOOL : field;
    }
    if (type.kind !== "object" || type.desc === undefined) {
      const member = memberType(type, name);
      return testOnly ? BOOL : member;
    }
    const field = type.desc.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new TypeError(`${type} has no field "${name}"`);
    if (testOnly) return BOOL;
    if (holdsJson(field)) conversions.push(expr);
    return fieldType(field);
  }

  function isEnumValue(expr: Expr, scope: Scope): boolean {
    const path = pathOf(expr);
    const [root = "", ...rest] = path ?? [];
    const value = rest.pop();
    if (value === undefined || scope.has(root) || globals.has(root)) return false;
    return env.registry.getEnum([root, ...rest].join("."))?.values.some(({ name }) => name === value) === true;
  }

  function typeOfCall({ function: name, target, args }: ExprOf<"callExpr">, scope: Scope): CelType {
    const on = target && typeOf(target, scope);
    const type = callType(
      env.funcs,
      name,
      on,
      args.map((arg) => typeOf(arg, scope)),
    );
    if (name === "matches") assertPattern(args[0]);
    return type;
  }

  function typeOfMap({ messageName, entries }: ExprOf<"structExpr">, scope: Scope): CelType {
    if (messageName !== "") throw new TypeError(`messages such as ${messageName} cannot be made in a condition`);
    const keys = entries.map(({ keyKind }) => (keyKind.case === "mapKey" ? typeOf(keyKind.value, scope) : DYN));
    const values = entries.map(({ value }) => typeOf(value, scope));
    return mapType(joinTypes(keys) as typeof STRING, joinTypes(values));
  }

  function typeOfLoop(loop: Loop, scope: Scope): CelType {
    loops.push(loop);
    const item = itemType(typeOf(loop.iterRange, scope));
    const result = typeOf(loop.accuInit, scope);
    const inResult = new Map([...scope, [loop.accuVar, result]]);
    const inStep = new Map([...inResult, [loop.iterVar, item]]);
    const step = typeOf(loop.loopStep, inStep);
    if (!isAssignable(step, result)) throw new TypeError(`a loop gives a ${step} in place of a ${result}`);
    typeOf(loop.loopCondition, inStep);
    return typeOf(loop.result, inResult);
  }
}

/** Gives the names of `a.b.c`; undefined when it is no such path. */
function pathOf(expr: Expr): readonly string[] | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "identExpr") return [exprKind.value.name];
  if (exprKind.case !== "selectExpr" || exprKind.value.operand === undefined) return undefined;
  const path = pathOf(exprKind.value.operand);
  return path && [...path, exprKind.value.field];
}

/** A pattern that callers chose could cost what they like. */
function assertPattern(expr: Expr | undefined): void {
  const constant = expr?.exprKind.case === "constExpr" ? expr.exprKind.value.constantKind : undefined;
  if (constant?.case !== "stringValue") throw new TypeError('"matches" needs a pattern that is written out');
  const tried = celEnv().funcs.find("matches")?.call(0, "", [constant.value]);
  if (tried instanceof Error) throw new TypeError(`"matches" has a malformed pattern: ${tried.message}`);
}
