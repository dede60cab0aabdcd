import { type CelFunc, type CelValue, isCelList, isCelMap } from "@bufbuild/cel";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { TIMES } from "./cel-types.js";

/** Goes through the value it is given, and gives it back. */
export const RANGE = "@range";
/** Makes CEL values of the JSON it is given. Neither name can be written in an expression. */
export const CONVERSION = "@conversion";

// So many are looked at in the time of a step, which is about a microsecond.
const CHARACTERS_PER_STEP = 512;
const ENTRIES_PER_STEP = 16;
const COPIES_PER_STEP = 256;

// What takes several steps.
const MATCH_PRICE = 20;
const CONVERSION_PRICE = 32;
const TIME_ZONE_STEPS = 100;
/** An error is made. */
export const FAILURE_STEPS = 10;

/** Reading more digits takes longer than their number says, and gives nothing usable. */
const LONGEST_NUMBER = 128;
const NUMBER_READERS: ReadonlySet<string> = new Set(["double", "int", "timestamp", "uint"]);

/**
 * Estimates what a call of a function takes.
 *
 * @param values - What it is called on, if anything, and with.
 * @param maxSteps - No more need be found out once it takes more than these.
 */
export function stepsOf({ name, target }: CelFunc, values: readonly CelValue[], maxSteps: number): number {
  const [one, other] = values;
  const sum = (count: (value: CelValue) => number): number =>
    values.reduce<number>((steps, value) => steps + count(value), 1);
  switch (name) {
    case "_==_":
    case "_!=_":
      return sum((value) => deepSteps(value, maxSteps));
    case "@in":
      // A key is found in a map without looking at the others.
      return isCelMap(other) ? 1 : sum((value) => deepSteps(value, maxSteps));
    case "_+_":
      return sum((value) => (isCelList(value) ? value.size / COPIES_PER_STEP : textSteps(value)));
    case "matches":
      return MATCH_PRICE * sum(textSteps);
    case RANGE:
      return sum((value) => (isCelList(value) || isCelMap(value) ? value.size / ENTRIES_PER_STEP : 0));
    case CONVERSION:
      return CONVERSION_PRICE * sum((value) => deepSteps(value, maxSteps));
  }
  if (NUMBER_READERS.has(name) && typeof one === "string" && one.length > LONGEST_NUMBER) return Infinity;
  return sum(textSteps) + (target?.kind === "object" && values.length > 1 ? TIME_ZONE_STEPS : 0);
}

function deepSteps(value: CelValue, maxSteps: number): number {
  // Timestamps and durations alone can be compared: the checker refuses other messages wherever it sees them.
  if (isReflectMessage(value)) return TIMES.has(value.desc.typeName) ? 1 : Infinity;
  const items = isCelMap(value) ? membersOf(value) : isCelList(value) ? value : undefined;
  if (items === undefined) return textSteps(value);
  let steps = 0;
  for (const item of items) {
    steps += 1 / ENTRIES_PER_STEP + deepSteps(item, maxSteps - steps);
    if (steps > maxSteps) break;
  }
  return steps;
}

function* membersOf(map: Iterable<readonly [CelValue, CelValue]>): Iterable<CelValue> {
  for (const entry of map) yield* entry;
}

function textSteps(value: CelValue): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length / CHARACTERS_PER_STEP : 0;
}
