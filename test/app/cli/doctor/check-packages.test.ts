import { describe, expect, it } from "vitest";
import { checkPackages } from "../../../../src/app/cli/doctor/check-packages.js";
import { readManifest } from "../../../../src/app/manifest.js";

describe("checkPackages()", () => {
  it("names those that are not installed, and no package that has to be", () => {
    const manifest = {
      ...readManifest(),
      peerDependencies: { commander: "*", "not-installed-a": "*", "@not-installed/b": "*", "required-one": "*" },
      peerDependenciesMeta: {
        commander: { optional: true },
        "not-installed-a": { optional: true },
        "@not-installed/b": { optional: true },
      },
    };
    expect(checkPackages(manifest)).toEqual({
      state: "note",
      text: "optional packages that are not installed: not-installed-a, @not-installed/b",
    });
  });

  it("finds those that can only be imported", () => {
    expect(checkPackages(readManifest())).toEqual({ state: "ok", text: "all optional packages are installed" });
  });
});
