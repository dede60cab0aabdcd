import { cors } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { corsHeaders } from "../../src/client/cors-headers.js";

const lower = (names: readonly string[]): string[] => names.map((name) => name.toLowerCase());

describe("corsHeaders", () => {
  it("has all that Connect needs, and what tokens need besides", () => {
    expect(corsHeaders.allowedMethods).toEqual(cors.allowedMethods);
    expect(lower(corsHeaders.allowedHeaders).sort()).toEqual(
      [...lower(cors.allowedHeaders), "authorization", "dpop"].sort(),
    );
    expect(lower(corsHeaders.exposedHeaders)).toEqual(expect.arrayContaining(lower(cors.exposedHeaders)));
    expect(lower(corsHeaders.exposedHeaders)).toEqual(
      expect.arrayContaining(["www-authenticate", "retry-after", "dpop-nonce", "grpc-status-details-bin"]),
    );
  });

  it("names nothing twice and no wildcard, and stays as it is", () => {
    for (const names of Object.values(corsHeaders)) {
      expect(new Set(lower(names)).size).toBe(names.length);
      expect(names).not.toContain("*");
      expect(Object.isFrozen(names)).toBe(true);
    }
    expect(Object.isFrozen(corsHeaders)).toBe(true);
  });
});
