import { describe, expect, it } from "vitest";
import { EchoService, UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { getProtoPolicy } from "../../src/policy/proto-policy.js";
import { createDynamicMethod } from "../support/dynamic-methods.js";

describe("getProtoPolicy()", () => {
  it("reads the option of the service for a method without one", () => {
    expect(getProtoPolicy(EchoService.method.unary)).toEqual({
      source: "service option",
      policy: { anyRole: ["tester"], orgField: "org_id" },
    });
  });

  it("reads the option of the method in place of the service's, as a whole", () => {
    expect(getProtoPolicy(EchoService.method.public)).toEqual({ source: "method option", policy: { public: true } });
    expect(getProtoPolicy(EchoService.method.authenticated)).toEqual({ source: "method option", policy: {} });
  });

  it("F4: gives nothing for a method that no option covers, rather than an empty policy", () => {
    expect(getProtoPolicy(UncoveredService.method.forgotten)).toBeUndefined();
  });

  it("reads every field", () => {
    const lists = { allRoles: ["a"], anyRole: ["b"], scopes: ["c"], acrValues: ["d"] };
    const option = { ...lists, orgField: "org_id", condition: "true", maxAgeSeconds: 300 };
    expect(getProtoPolicy(createDynamicMethod(option))).toEqual({ source: "method option", policy: option });
  });

  it("tells an age of 0, which asks for what no token has, from none", () => {
    expect(getProtoPolicy(createDynamicMethod({ maxAgeSeconds: 0 }))?.policy).toEqual({ maxAgeSeconds: 0 });
    expect(getProtoPolicy(createDynamicMethod({}))?.policy).toEqual({});
  });
});
