import { describe, expect, it } from "vitest";
import { readAuthChallenges } from "../../src/client/auth-challenges.js";
import { readResourceMetadata, readStepUp } from "../../src/client/challenge-demands.js";

const stepUp = (parameters: string) =>
  readStepUp(readAuthChallenges(`Bearer error="insufficient_user_authentication", ${parameters}`));
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `acr-${index}`);

describe("readStepUp()", () => {
  it("reads what RFC 9470 shows", () => {
    expect(stepUp('error_description="A different level is required", acr_values="myACR"')).toEqual({
      acrValues: ["myACR"],
    });
    expect(stepUp('max_age="5"')).toEqual({ maxAgeSeconds: 5 });
    expect(stepUp('acr_values="urn:a:gold urn:a:silver", max_age=0')).toEqual({
      acrValues: ["urn:a:gold", "urn:a:silver"],
      maxAgeSeconds: 0,
    });
  });

  it("reads the challenge that asks for it, and no other", () => {
    const header = 'Bearer acr_values="bronze", DPoP error="insufficient_user_authentication", acr_values="gold"';
    expect(readStepUp(readAuthChallenges(header))).toEqual({ acrValues: ["gold"] });
    expect(readStepUp(readAuthChallenges('Bearer acr_values="bronze", max_age="5"'))).toEqual({});
    expect(readStepUp([])).toEqual({});
  });

  it("takes as many contexts as are of use, and longer ones than anybody has", () => {
    expect(stepUp(`acr_values="${many(16).join(" ")}"`).acrValues).toEqual(many(16));
    expect(stepUp(`acr_values="${many(17).join(" ")}"`)).toEqual({});
    expect(stepUp(`acr_values="${"a".repeat(256)}"`).acrValues).toHaveLength(1);
    expect(stepUp(`acr_values="${"a".repeat(257)}"`)).toEqual({});
  });

  it.each([
    'acr_values=""',
    'acr_values=" gold"',
    'acr_values="gold  silver"',
    'acr_values="go\\"ld"',
    'acr_values="gold\u00e9"',
    'max_age=""',
    'max_age="-1"',
    'max_age="5.5"',
    'max_age="0x10"',
    'max_age="1e3"',
    'max_age=" 5"',
    'max_age="05"',
    'max_age="1000000000"',
  ])("takes %s for nothing", (parameters) => {
    expect(stepUp(parameters)).toEqual({});
  });
});

describe("readResourceMetadata()", () => {
  const read = (url: string) => readResourceMetadata(readAuthChallenges(`Bearer resource_metadata="${url}"`));

  it.each([
    "https://jobs.example/.well-known/oauth-protected-resource",
    "http://127.0.0.1:8080/a?b",
    "http://localhost/",
  ])("gives %s as it is", (url) => {
    expect(read(url)).toBe(url);
  });

  it.each([
    "http://jobs.example/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "//jobs.example/",
    "/metadata",
    "https://user@jobs.example/",
    "https://jobs.example/#a",
    "https://jobs.example/a b",
    "",
  ])("gives nothing for %j", (url) => {
    expect(read(url)).toBeUndefined();
  });

  it("gives the first that may be asked", () => {
    const header = 'Bearer resource_metadata="http://a.example", DPoP resource_metadata="https://b.example"';
    expect(readResourceMetadata(readAuthChallenges(header))).toBe("https://b.example");
  });
});
