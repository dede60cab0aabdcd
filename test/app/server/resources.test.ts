import { describe, expect, it } from "vitest";
import { createResources } from "../../../src/app/server/resources.js";

describe("createResources()", () => {
  it("closes what was opened in reverse order, one after the other, once", async () => {
    const closed: string[] = [];
    const resources = createResources();
    resources.defer(async () => void closed.push("first"));
    resources.use({ [Symbol.dispose]: () => void closed.push("second") });
    resources.use({
      async [Symbol.asyncDispose]() {
        await Promise.resolve();
        closed.push("third");
      },
    });
    await resources[Symbol.asyncDispose]();
    await resources[Symbol.asyncDispose]();
    expect(closed).toEqual(["third", "second", "first"]);
  });

  it("closes the rest when one fails, and tells of the first failure", async () => {
    const closed: string[] = [];
    const resources = createResources();
    resources.defer(async () => void closed.push("first"));
    resources.defer(() => Promise.reject(new Error("second")));
    resources.defer(() => Promise.reject(new Error("third")));
    await expect(resources[Symbol.asyncDispose]()).rejects.toThrow("third");
    expect(closed).toEqual(["first"]);
  });
});
