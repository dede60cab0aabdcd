import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { createSecret } from "../../src/lib/secret.js";

describe("createSecret()", () => {
  it("L1: shows the value to reveal() alone", () => {
    const holder = { secret: createSecret("s3cret") };
    expect(holder.secret.reveal()).toBe("s3cret");
    expect(
      `${holder.secret} ${JSON.stringify(holder)} ${inspect(holder, { depth: 5, showHidden: true })}`,
    ).not.toContain("s3cret");
  });
});
