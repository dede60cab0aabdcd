import { create, createFileRegistry, type DescMethod, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { type AccessPolicy, AccessPolicySchema, access } from "#gen/latchkey/auth/v1/access_pb.js";

const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
const { INT32, MESSAGE, STRING } = FieldDescriptorProto_Type;

/**
 * Makes a method whose request has fields of every shape that a path may run into: `org_id` (string), `orgs` (repeated
 * string), `number` (int32), `job` and `jobs` (message and repeated message, with `org_id`), `chosen_org` and
 * `chosen_job` (members of a oneof).
 *
 * @param option - The `access` option of the method; none when absent.
 */
export function createDynamicMethod(option?: Partial<Omit<AccessPolicy, "$typeName" | "$unknown">>): DescMethod {
  const options = create(MethodOptionsSchema);
  if (option !== undefined) setExtension(options, access, create(AccessPolicySchema, option));
  const file = create(FileDescriptorProtoSchema, {
    name: "dynamic.proto",
    package: "dynamic",
    syntax: "proto3",
    messageType: [
      { name: "Job", field: [{ name: "org_id", jsonName: "orgId", number: 1, type: STRING, label: OPTIONAL }] },
      {
        name: "Request",
        oneofDecl: [{ name: "choice" }],
        field: [
          { name: "org_id", jsonName: "orgId", number: 1, type: STRING, label: OPTIONAL },
          { name: "orgs", jsonName: "orgs", number: 2, type: STRING, label: REPEATED },
          { name: "number", jsonName: "number", number: 3, type: INT32, label: OPTIONAL },
          { name: "job", jsonName: "job", number: 4, type: MESSAGE, typeName: ".dynamic.Job", label: OPTIONAL },
          { name: "jobs", jsonName: "jobs", number: 5, type: MESSAGE, typeName: ".dynamic.Job", label: REPEATED },
          { name: "chosen_org", jsonName: "chosenOrg", number: 6, type: STRING, label: OPTIONAL, oneofIndex: 0 },
          {
            name: "chosen_job",
            jsonName: "chosenJob",
            number: 7,
            type: MESSAGE,
            typeName: ".dynamic.Job",
            label: OPTIONAL,
            oneofIndex: 0,
          },
        ],
      },
    ],
    service: [
      {
        name: "Service",
        method: [{ name: "Call", inputType: ".dynamic.Request", outputType: ".dynamic.Request", options }],
      },
    ],
  });
  const service = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService("dynamic.Service");
  const method = service?.methods[0];
  if (method === undefined) throw new Error("the file has no method");
  return method;
}
