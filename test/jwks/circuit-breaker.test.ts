import { describe, expect, it } from "vitest";
import { createCircuitBreaker } from "../../src/jwks/circuit-breaker.js";

describe("createCircuitBreaker()", () => {
  it("opens with the failure that makes the number full, and tells once", () => {
    const told: boolean[] = [];
    const breaker = createCircuitBreaker(3, (open) => told.push(open));
    for (let failures = 1; failures <= 5; failures++) {
      breaker.onFailure();
      expect(breaker).toMatchObject({ failures, isOpen: failures >= 3 });
      expect(told).toEqual(failures >= 3 ? [true] : []);
    }
  });

  it("closes with a success, and counts anew", () => {
    const told: boolean[] = [];
    const breaker = createCircuitBreaker(2, (open) => told.push(open));
    breaker.onFailure();
    breaker.onSuccess();
    breaker.onFailure();
    expect(breaker).toMatchObject({ failures: 1, isOpen: false });
    breaker.onFailure();
    breaker.onSuccess();
    expect(breaker).toMatchObject({ failures: 0, isOpen: false });
    breaker.onSuccess();
    expect(told).toEqual([true, false]);
  });
});
