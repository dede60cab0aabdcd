import { createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth } from "../../src/client/bearer-auth.js";
import { readExtraHeaders } from "../../src/client/extra-headers.js";
import { staticToken } from "../../src/client/static-token.js";

const refused = (given: unknown) => () => readExtraHeaders(given as Record<string, string>, ["authorization"]);

describe("readExtraHeaders()", () => {
  it("copies names and values", () => {
    const given = { "X-Acme-Token-Type": "KEYPAIR_JWT" };
    const headers = readExtraHeaders(given, ["authorization"]);
    given["X-Acme-Token-Type"] = "other";
    expect([...headers]).toEqual([["x-acme-token-type", "KEYPAIR_JWT"]]);
  });

  it("refuses what the request sets itself, in any spelling", () => {
    expect(refused({ AUTHORIZATION: "Bearer abc" })).toThrow('headers must not have "authorization"');
  });

  it.each([{ "x-a": "s3cret\r\nx-evil: 1" }, { "x a": "s3cret" }, { "": "s3cret" }, { "x-a": "s3cret\u{1F511}" }])(
    "refuses what cannot stand in HTTP, without showing it: %j",
    (given) => {
      expect(refused(given)).toThrow(/^headers must be names and values that HTTP permits$/);
    },
  );

  it("refuses what is no set of headers", () => {
    for (const given of [null, [["x-a", "b"]], { "x-a": undefined }, { "x-a": 7 }]) {
      expect(refused(given)).toThrow(/^headers must be names and values that HTTP permits$/);
    }
  });
});

describe("bearerAuth() with headers", () => {
  const headers = { "x-acme-token-type": "KEYPAIR_JWT" };

  /** Makes a call to each base URL in turn, and gives what its server saw of the header. */
  async function callEach(...baseUrls: readonly string[]): Promise<(string | null)[]> {
    const seen: (string | null)[] = [];
    const interceptors = [bearerAuth(staticToken("abc"), { headers })];
    const routes: Parameters<typeof createRouterTransport>[0] = ({ service }) =>
      service(EchoService, {
        unary(_, { requestHeader }) {
          seen.push(requestHeader.get("x-acme-token-type"));
          return {};
        },
      });
    for (const baseUrl of baseUrls) {
      const transport = createRouterTransport(routes, { transport: { interceptors, baseUrl } });
      await createClient(EchoService, transport).unary({});
    }
    return seen;
  }

  it("K2: sends them with the token, and not where it does not go", async () => {
    expect(await callEach("https://jobs.example", "https://other.example")).toEqual(["KEYPAIR_JWT", null]);
  });

  it("refuses headers of the call itself", () => {
    for (const name of ["Authorization", "content-type", "cookie"]) {
      expect(() => bearerAuth(staticToken("abc"), { headers: { [name]: "x" } })).toThrow("headers must not have");
    }
  });
});
