import { type DescField, type DescMethod, type Message, ScalarType } from "@bufbuild/protobuf";

/** Reads the field of a message that names an organisation; undefined when it, or a message around it, is not set. */
export type OrgFieldReader = (message: Message) => unknown;

/**
 * Prepares reading the field at `path` in the requests of a method.
 *
 * @param where - The method, for errors.
 * @param path - Names as in the `.proto` file, joined by dots.
 * @throws TypeError that names the method and the path, unless the path leads to a single string through single messages.
 */
export function compileOrgField(where: string, method: DescMethod, path: string): OrgFieldReader {
  const refuse = (why: string): never => {
    throw new TypeError(`${where}: orgField "${path}" ${why}`);
  };
  const names = path.split(".");
  let message = method.input;
  const steps = names.map((name, index) => {
    const field = message.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return refuse(`names no field: ${message.typeName} has no "${name}"`);
    if (index === names.length - 1) {
      if (field.fieldKind !== "scalar" || field.scalar !== ScalarType.STRING) refuse("is not a single string field");
    } else if (field.fieldKind !== "message") {
      // A list or map may hold several organisations: which of them would count?
      refuse(`runs through "${name}", which is not a single message`);
    } else if (field.message.typeName.startsWith("google.protobuf.")) {
      refuse(`runs through "${name}", a well-known type that is not kept as a message`);
    } else {
      message = field.message;
    }
    return toStep(field);
  });
  return steps.reduce((first, next) => (value) => next(first(value)));
}

function toStep(field: DescField): (value: unknown) => unknown {
  const { localName, oneof } = field;
  if (oneof === undefined) return (value) => memberOf(value, localName);
  return (value) => {
    const selected = memberOf(value, oneof.localName);
    return memberOf(selected, "case") === localName ? memberOf(selected, "value") : undefined;
  };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
