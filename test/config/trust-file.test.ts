import { describe, expect, it } from "vitest";
import { parseTrustFile } from "../../src/config/trust-file.js";

const GOOD = `
issuers:
  - issuer: https://idp.example
    audience: [https://jobs.example, jobs]
    algorithms: [ES256]
    jwksUri: https://idp.example/jwks.json
    claims: { org: tenant }
  - issuer: https://other.example
    audience: null
    algorithms: [RS256, PS256]
    jwksUri: https://other.example/keys
    tokenType: null
  - issuer: https://found.example
    audience: jobs
    algorithms: [EdDSA]
    discovery: true
`;

const refuses = (text: string, message: RegExp): void => {
  expect(() => parseTrustFile(text, "trust.yaml")).toThrow(
    expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringMatching(message) }),
  );
};

describe("parseTrustFile()", () => {
  it("gives the issuers in order, with nothing added", () => {
    expect(parseTrustFile(GOOD, "trust.yaml")).toEqual([
      {
        issuer: "https://idp.example",
        audience: ["https://jobs.example", "jobs"],
        algorithms: ["ES256"],
        jwksUri: "https://idp.example/jwks.json",
        claims: { org: "tenant" },
      },
      {
        issuer: "https://other.example",
        audience: null,
        algorithms: ["RS256", "PS256"],
        jwksUri: "https://other.example/keys",
        tokenType: null,
      },
      { issuer: "https://found.example", audience: "jobs", algorithms: ["EdDSA"], discovery: true },
    ]);
  });

  it.each([
    ["a misspelt field", GOOD.replace("audience: null", "audiences: null"), /issuers\.1/],
    ["a missing audience", GOOD.replace("    audience: null\n", ""), /issuers\.1\.audience/],
    ["a shared secret", GOOD.replace("[ES256]", "[HS256]"), /issuers\.0\.algorithms\.0/],
    ["no algorithm", GOOD.replace("[ES256]", "[]"), /issuers\.0\.algorithms/],
    ["a lifetime that is a text", `${GOOD}    maxLifetimeSeconds: 1h\n`, /issuers\.2\.maxLifetimeSeconds/],
    [
      "no source of keys",
      GOOD.replace("    discovery: true\n", ""),
      /issuers\.2: exactly one of jwksUri and discovery/,
    ],
    ["two sources of keys", `${GOOD}    jwksUri: https://found.example/keys\n`, /issuers\.2: exactly one of/],
    ["discovery that is no discovery", GOOD.replace("discovery: true", "discovery: false"), /issuers\.2\.discovery/],
    ["no issuer", "issuers: []", /issuers/],
    ["an empty file", "", /the document/],
    ["a member twice", `${GOOD}    audience: null\n`, /unique.*line|line.*unique/i],
    ["broken YAML", "issuers: [", /line 1/],
  ])("I6: refuses %s, naming file and place", (_, text, message) => {
    refuses(text, /^trust\.yaml cannot be used: /);
    refuses(text, message);
  });

  it("refuses aliases that multiply", () => {
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
    for (const [name, before] of ["ba", "cb", "dc", "ed", "fe"].map((pair) => [...pair] as [string, string])) {
      bomb.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(",")}]`);
    }
    refuses(bomb.join("\n"), /alias/i);
  });
});
