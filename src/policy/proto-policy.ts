import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { type AccessPolicy as AccessPolicyMessage, access, service_access } from "#gen/latchkey/auth/v1/access_pb.js";
import type { AccessPolicy, MethodAccess } from "./access-policy.js";

/** A policy as the `.proto` file states it. */
export type ProtoPolicy = Pick<MethodAccess, "source" | "policy">;

/** Gives the policy that the `.proto` file states for a method: its own option, or else that of its service. */
export function getProtoPolicy(method: DescMethod): ProtoPolicy | undefined {
  // Without hasOption(), an absent option would read as an empty message: "any authenticated caller".
  if (hasOption(method, access)) {
    return { source: "method option", policy: toPolicy(getOption(method, access)) };
  }
  if (hasOption(method.parent, service_access)) {
    return { source: "service option", policy: toPolicy(getOption(method.parent, service_access)) };
  }
  return undefined;
}

function toPolicy(message: AccessPolicyMessage): AccessPolicy {
  return {
    ...(message.public && { public: true }),
    ...(message.anyRole.length > 0 && { anyRole: message.anyRole }),
    ...(message.allRoles.length > 0 && { allRoles: message.allRoles }),
    ...(message.scopes.length > 0 && { scopes: message.scopes }),
    ...(message.orgField !== "" && { orgField: message.orgField }),
    ...(message.condition !== "" && { condition: message.condition }),
    ...(message.acrValues.length > 0 && { acrValues: message.acrValues }),
    ...(message.maxAgeSeconds !== undefined && { maxAgeSeconds: message.maxAgeSeconds }),
  };
}
