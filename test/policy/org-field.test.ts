import { create, type DescMessage } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { compileOrgField } from "../../src/policy/org-field.js";
import { createDynamicMethod } from "../support/dynamic-methods.js";

const method = createDynamicMethod();
const input: DescMessage = method.input;

describe("compileOrgField()", () => {
  it("reads a field of the request", () => {
    const read = compileOrgField("m", method, "org_id");
    expect(read(create(input, { orgId: "acme" }))).toBe("acme");
    expect(read(create(input))).toBe("");
  });

  it("reads a field of a message in the request, and gives undefined when that message is not set", () => {
    const read = compileOrgField("m", method, "job.org_id");
    expect(read(create(input, { job: { orgId: "acme" } }))).toBe("acme");
    expect(read(create(input))).toBeUndefined();
  });

  it("reads a member of a oneof only while it is the one that is set", () => {
    const readOrg = compileOrgField("m", method, "chosen_org");
    const readJob = compileOrgField("m", method, "chosen_job.org_id");
    const withOrg = create(input, { choice: { case: "chosenOrg", value: "acme" } });
    const withJob = create(input, { choice: { case: "chosenJob", value: { orgId: "acme" } } });
    expect([readOrg(withOrg), readJob(withOrg)]).toEqual(["acme", undefined]);
    expect([readOrg(withJob), readJob(withJob)]).toEqual([undefined, "acme"]);
  });

  it.each([
    ["nope", "names no field"],
    ["orgId", "names no field"],
    ["job.nope", "names no field"],
    ["org_id.", "not a single message"],
    ["", "names no field"],
    ["__proto__", "names no field"],
    ["number", "is not a single string"],
    ["orgs", "is not a single string"],
    ["job", "is not a single string"],
    ["jobs.org_id", "not a single message"],
    ["org_id.x", "not a single message"],
  ])("refuses the path %j and names it", (path, why) => {
    expect(() => compileOrgField("dynamic.Service/Call", method, path)).toThrow(
      expect.objectContaining({
        name: "TypeError",
        message: expect.stringMatching(
          new RegExp(`^dynamic\\.Service/Call: orgField "${path.replaceAll(".", "\\.")}".*${why}`),
        ),
      }),
    );
  });
});
