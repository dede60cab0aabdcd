import { type CelEnv, CelScalar, type CelType, listType } from "@bufbuild/cel";
import { isAssignable, isComparable, joinTypes } from "./cel-types.js";

const { BOOL, DYN, INT, STRING } = CelScalar;

/**
 * Gives the type of what a function or operator gives for operands of certain types.
 *
 * @param name - As in a parsed expression: operators are functions such as `_==_`.
 * @param target - Type of what a method is called on; undefined for a function.
 * @throws TypeError when there is no such function, or none for such operands.
 */
export function callType(
  functions: CelEnv["funcs"],
  name: string,
  target: CelType | undefined,
  operands: readonly CelType[],
): CelType {
  const [one = DYN, other = DYN, third = DYN] = operands;
  const given = (isGood: boolean, type: CelType): CelType => {
    if (isGood) return type;
    const on = target === undefined ? "" : `a ${target} and `;
    throw new TypeError(`"${titleOf(name)}" does not take ${on}(${operands.join(", ")})`);
  };
  switch (name) {
    case "_&&_":
    case "_||_":
    case "@not_strictly_false":
      return given(
        operands.every((operand) => isAssignable(operand, BOOL)),
        BOOL,
      );
    case "_?_:_":
      return given(isAssignable(one, BOOL) && isAssignable(other, third), joinTypes([other, third]));
    case "_==_":
    case "_!=_":
      return given(isComparable(one, other), BOOL);
    case "@in": {
      const item = other === DYN ? DYN : (keyType(other) ?? elementType(other));
      return given(item !== undefined && isComparable(one, item), BOOL);
    }
    case "_[_]":
      if (one.kind === "map") return given(isComparable(other, one.key), one.value);
      return given(one === DYN || (one.kind === "list" && isAssignable(other, INT)), elementType(one) ?? DYN);
    case "_+_":
      if (one.kind === "list" && other.kind === "list") return listType(joinTypes([one.element, other.element]));
  }
  const group = functions.find(name);
  if (group === undefined) throw new TypeError(`there is no function "${titleOf(name)}"`);
  const results = [...group]
    .filter((candidate) => takes(candidate.target, target))
    .filter(({ arguments: asked }) => takesAll(asked, operands))
    .map(({ result }) => result);
  return given(results.length > 0, joinTypes(results));
}

/** Gives the type of what a loop over a value goes through. */
export function itemType(range: CelType): CelType {
  const type = range === DYN ? DYN : (keyType(range) ?? elementType(range));
  if (type === undefined) throw new TypeError(`a ${range} cannot be gone through: only lists and maps can`);
  return type;
}

/** Gives the type of a member of a map, or of a value that may be one. */
export function memberType(map: CelType, name: string): CelType {
  if (map === DYN) return DYN;
  if (map.kind !== "map" || !isAssignable(STRING, map.key)) throw new TypeError(`a ${map} has no field "${name}"`);
  return map.value;
}

function keyType(type: CelType): CelType | undefined {
  return type.kind === "map" ? type.key : undefined;
}

function elementType(type: CelType): CelType | undefined {
  return type.kind === "list" ? type.element : undefined;
}

function takes(asked: CelType | undefined, given: CelType | undefined): boolean {
  if (asked === undefined || given === undefined) return asked === given;
  return isAssignable(given, asked);
}

function takesAll(asked: readonly CelType[], given: readonly CelType[]): boolean {
  return asked.length === given.length && given.every((type, index) => takes(asked[index], type));
}

/** How a function is written: `_==_` as `==`. */
function titleOf(name: string): string {
  return name.replaceAll(/^@|_(?=\W)|(?<=\W)_/g, "");
}
