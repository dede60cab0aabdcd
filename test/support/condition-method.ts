import { create, createFileRegistry, type DescFile, type DescMethod } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";

const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
const { BOOL, BYTES, DOUBLE, ENUM, INT32, MESSAGE, STRING, UINT64 } = FieldDescriptorProto_Type;

const WELL_KNOWN: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

type Field = Partial<Omit<FieldDescriptorProto, "$typeName" | "$unknown">>;

/**
 * Makes the method `cond.Service/Call`, whose request has a field of every kind: `text`, `number` (int32), `big` (uint64),
 * `ratio` (double), `flag`, `raw` (bytes), `state` (enum `cond.State`), `texts`, `others`, `numbers` (repeated), `labels`
 * (map), `item` and `items` (`cond.Item` with `name` and `tags`), `at` (timestamp), `nickname` (wrapper), `json` (struct),
 * `payload` (any).
 */
export function createConditionMethod(): DescMethod {
  const file = create(FileDescriptorProtoSchema, {
    name: "cond.proto",
    package: "cond",
    syntax: "proto3",
    dependency: WELL_KNOWN.map(({ proto }) => proto.name),
    enumType: [{ name: "State", value: ["STATE_UNSPECIFIED", "STATE_OPEN"].map((name, number) => ({ name, number })) }],
    messageType: [
      { name: "Item", field: numbered([text("name"), { ...text("tags"), label: REPEATED }]) },
      {
        name: "Request",
        nestedType: [
          { name: "LabelsEntry", field: numbered([text("key"), text("value")]), options: { mapEntry: true } },
        ],
        field: numbered([
          text("text"),
          { name: "number", type: INT32 },
          { name: "big", type: UINT64 },
          { name: "ratio", type: DOUBLE },
          { name: "flag", type: BOOL },
          { name: "raw", type: BYTES },
          { name: "state", type: ENUM, typeName: ".cond.State" },
          { ...text("texts"), label: REPEATED },
          { ...text("others"), label: REPEATED },
          { name: "numbers", type: INT32, label: REPEATED },
          { ...message("labels", "cond.Request.LabelsEntry"), label: REPEATED },
          message("item", "cond.Item"),
          { ...message("items", "cond.Item"), label: REPEATED },
          message("at", "google.protobuf.Timestamp"),
          message("nickname", "google.protobuf.StringValue"),
          message("json", "google.protobuf.Struct"),
          message("payload", "google.protobuf.Any"),
        ]),
      },
    ],
    service: [{ name: "Service", method: [{ name: "Call", inputType: ".cond.Request", outputType: ".cond.Item" }] }],
  });
  const registry = createFileRegistry(file, (name) => WELL_KNOWN.find(({ proto }) => proto.name === name));
  const method = registry.getService("cond.Service")?.methods[0];
  if (method === undefined) throw new Error("the file has no method");
  return method;
}

function text(name: string): Field {
  return { name, type: STRING };
}

function message(name: string, typeName: string): Field {
  return { name, type: MESSAGE, typeName: `.${typeName}` };
}

function numbered(fields: readonly Field[]): FieldDescriptorProto[] {
  return fields.map((field, index) =>
    create(FieldDescriptorProtoSchema, { number: index + 1, label: OPTIONAL, ...field }),
  );
}
