import { describe, expect, it } from "vitest";
import { assertResourceMetadata } from "../../src/server/resource-metadata.js";
import { createServerAuth } from "../../src/server.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";

describe("assertResourceMetadata()", () => {
  it.each([
    "https://jobs.example/.well-known/oauth-protected-resource",
    "https://jobs.example/.well-known/oauth-protected-resource/api?tenant=a&b",
    "http://127.0.0.1:8080/metadata",
    "http://localhost/metadata",
  ])("takes %s", (url) => {
    expect(() => assertResourceMetadata(url)).not.toThrow();
  });

  it.each([
    undefined,
    null,
    7,
    new URL("https://jobs.example/"),
    "",
    "/metadata",
    "http://jobs.example/metadata",
    "ftp://jobs.example/metadata",
    "https://jobs.example/metadata#fragment",
    "https://jobs.example/#",
  ])("refuses %j, naming the option", (value) => {
    expect(() => assertResourceMetadata(value)).toThrow(/^resourceMetadata must be /);
    expect(() => assertResourceMetadata(value)).toThrow(TypeError);
  });

  it.each(['"', "\\", "\r\n", " ", "\0", "\u007f", "ü"])("G6: refuses what would leave the quotes: %j", (character) => {
    expect(() => assertResourceMetadata(`https://jobs.example/a${character}b`)).toThrow(TypeError);
  });

  it("keeps a server from starting", async () => {
    const issuers = [(await createTestIssuer()).trusted()];
    expect(() => createServerAuth({ issuers, resourceMetadata: "http://jobs.example/" })).toThrow(/^resourceMetadata /);
  });
});
