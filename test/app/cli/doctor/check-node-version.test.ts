import { describe, expect, it } from "vitest";
import { checkNodeVersion } from "../../../../src/app/cli/doctor/check-node-version.js";

describe("checkNodeVersion()", () => {
  it.each(["22.12.0", "22.13.1", "23.0.0", "24.0.0-nightly", "100.1.0"])("takes %s", (version) => {
    expect(checkNodeVersion(version, ">=22.12")).toEqual({ state: "ok", text: `Node.js ${version}` });
  });

  it.each(["22.11.9", "22.2.0", "20.19.0", "9.99.0"])("finds %s too old", (version) => {
    expect(checkNodeVersion(version, ">=22.12")).toEqual({
      state: "wrong",
      text: `Node.js ${version} is too old: 22.12 or a later one is needed`,
    });
  });
});
