import { describe, expect, it } from "vitest";
import { createListeners } from "../../src/lib/listeners.js";

describe("createListeners()", () => {
  it("tells all, each registration until it is disposed", () => {
    const listeners = createListeners();
    const told: string[] = [];
    const twice = (): void => void told.push("twice");
    const first = listeners.add(twice);
    listeners.add(twice);
    listeners.add(() => told.push("other"));
    listeners.tell();
    expect(told.splice(0)).toEqual(["twice", "twice", "other"]);
    first[Symbol.dispose]();
    listeners.tell();
    expect(told).toEqual(["twice", "other"]);
  });

  it("tells the others when one fails, at once or later", () => {
    const listeners = createListeners();
    let told = 0;
    listeners.add(() => {
      throw new Error("listener");
    });
    const rejecting = (): unknown => Promise.reject(new Error("listener"));
    listeners.add(rejecting);
    listeners.add(() => void told++);
    listeners.tell();
    expect(told).toBe(1);
  });

  it("comes to an end though one listens anew whenever it is told", () => {
    const listeners = createListeners();
    let told = 0;
    const again = (): void => {
      told++;
      listeners.add(again);
    };
    listeners.add(again);
    listeners.tell();
    expect(told).toBe(1);
  });
});
