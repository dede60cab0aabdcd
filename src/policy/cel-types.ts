import { type CelMapType, CelScalar, type CelType, listType, mapType, objectType } from "@bufbuild/cel";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema, isWrapperDesc, TimestampSchema } from "@bufbuild/protobuf/wkt";

const { BOOL, BYTES, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;

export const TIMESTAMP: CelType = objectType(TimestampSchema);

const NUMBERS: ReadonlySet<string> = new Set([INT.name, UINT.name, DOUBLE.name]);
/** The messages that can be compared: times of the protobuf library itself. */
export const TIMES: ReadonlySet<string> = new Set([TimestampSchema.typeName, DurationSchema.typeName]);
const JSON_TYPES: ReadonlyMap<string, CelType> = new Map<string, CelType>([
  ["google.protobuf.Struct", mapType(STRING, DYN)],
  ["google.protobuf.ListValue", listType(DYN)],
  ["google.protobuf.Value", DYN],
]);

/**
 * Gives the CEL type of a field.
 *
 * @throws TypeError for google.protobuf.Any, which may hold any message, and more of it at each look.
 */
export function fieldType(field: DescField): CelType {
  switch (field.fieldKind) {
    case "scalar":
      return scalarType(field.scalar);
    case "enum":
      return INT;
    case "message":
      return messageType(field.message);
    case "list":
      return listType(elementType(field));
    case "map":
      return mapType(scalarType(field.mapKey) as CelMapType["key"], elementType(field));
  }
}

/** Gives the CEL type of a message. Throws as {@link fieldType} does. */
export function messageType(desc: DescMessage): CelType {
  if (desc.typeName === "google.protobuf.Any") throw new TypeError(`${desc.typeName} cannot be looked into`);
  // A wrapper reads as its value, or null.
  return isWrapperDesc(desc) ? DYN : (JSON_TYPES.get(desc.typeName) ?? objectType(desc));
}

/** Tells whether a field holds JSON, which becomes CEL values anew whenever it is read. */
export function holdsJson({ message }: DescField): boolean {
  return message !== undefined && JSON_TYPES.has(message.typeName);
}

/** Tells whether a value of one type can be given where another one is asked for. */
export function isAssignable(given: CelType, asked: CelType): boolean {
  return matches(given, asked, (one, other) => one.name === other.name);
}

/**
 * Tells whether values of two types can be equal. Messages cannot be compared, but for timestamps and durations: what
 * that costs depends on what callers put into them.
 */
export function isComparable(one: CelType, other: CelType): boolean {
  if (holdsMessage(one) || holdsMessage(other)) return false;
  return matches(one, other, (a, b) => a.name === b.name || (NUMBERS.has(a.name) && NUMBERS.has(b.name)));
}

/** Gives the type of what is of one type or of another: `dyn` when they differ. */
export function joinTypes(types: readonly CelType[]): CelType {
  const [first = DYN, ...rest] = types;
  return rest.every((type) => String(type) === String(first)) ? first : DYN;
}

function matches(one: CelType, other: CelType, areLeaves: (one: CelType, other: CelType) => boolean): boolean {
  if (one === DYN || other === DYN) return true;
  if (one.kind === "list" && other.kind === "list") return matches(one.element, other.element, areLeaves);
  if (one.kind === "map" && other.kind === "map") {
    return matches(one.key, other.key, areLeaves) && matches(one.value, other.value, areLeaves);
  }
  return one.kind === other.kind && areLeaves(one, other);
}

function holdsMessage(type: CelType): boolean {
  if (type.kind === "list") return holdsMessage(type.element);
  if (type.kind === "map") return holdsMessage(type.value);
  return type.kind === "object" && !TIMES.has(type.name);
}

function elementType(field: DescField & { readonly fieldKind: "list" | "map" }): CelType {
  if (field.message !== undefined) return messageType(field.message);
  return field.enum === undefined ? scalarType(field.scalar) : INT;
}

function scalarType(scalar: ScalarType): CelType {
  switch (scalar) {
    case ScalarType.STRING:
      return STRING;
    case ScalarType.BOOL:
      return BOOL;
    case ScalarType.BYTES:
      return BYTES;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return DOUBLE;
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
      return UINT;
    default:
      return INT;
  }
}
