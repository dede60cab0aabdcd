import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { callerValues } from "../../src/server/caller-values.js";
import { principalKey } from "../../src/server.js";
import { createPrincipal } from "../support/principals.js";

const other = createContextKey("default");

describe("callerValues()", () => {
  it("F6: keeps its caller, whatever is written to what it stands on", () => {
    const base = createContextValues();
    const alice = createPrincipal({ subject: "alice" });
    const values = callerValues(base, alice);
    const nobody = callerValues(base, undefined);
    base.set(principalKey, createPrincipal({ subject: "bob" }));
    expect(values.get(principalKey)).toBe(alice);
    expect(nobody.get(principalKey)).toBeUndefined();
    values.delete(principalKey);
    expect(values.get(principalKey)).toBeUndefined();
    expect(base.get(principalKey)?.subject).toBe("bob");
  });

  it("reads and writes everything else through", () => {
    const base = createContextValues();
    const values = callerValues(base, undefined);
    expect(values.set(other, "written")).toBe(values);
    expect(base.get(other)).toBe("written");
    base.set(other, "changed");
    expect(values.get(other)).toBe("changed");
    expect(values.delete(other).get(other)).toBe("default");
    expect(base.get(other)).toBe("default");
  });
});
