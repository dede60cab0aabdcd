import { createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { celConditions } from "../../src/cel.js";
import { formatAccess, type MethodAccess } from "../../src/server.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { createEchoService } from "../support/echo-service.js";
import { createAuthFor } from "../support/server-auth.js";

const ECHO = "latchkey.testing.v1.EchoService";

describe("formatAccess()", () => {
  it("says of each method of a server who may call it, and why", async () => {
    const auth = createAuthFor(await createTestIssuer(), {
      conditions: celConditions(),
      policy: {
        [`${ECHO}/Get`]: { allRoles: ["a", "b"], scopes: ["read", "list"], orgs: ["acme", "other"], allow: () => true },
        [`${ECHO}/ClientStream`]: { condition: "principal.claims.level > 1\n  && request.text != ''" },
        [`${ECHO}/BidiStream`]: { anyRole: ["a", "b"], acrValues: ["mfa", "phr"], maxAgeSeconds: 300 },
      },
    });
    createRouterTransport(auth.routes(createEchoService().routes));
    const lines = formatAccess(auth.audit()).split("\n");
    const every = "every authenticated caller";
    expect(lines.map((line) => line.replace(`${ECHO}/`, "").split(/ {2,}/))).toEqual([
      ["METHOD", "RULE FROM", "WHO MAY CALL", "ORG FIELD", "CONDITION", "STEP-UP"],
      ["Unary", "service option", "role tester", "org_id", "-", "-"],
      ["Get", "code", "role a and b; scope read and list; org acme or other; allow()", "-", "-", "-"],
      ["ServerStream", "service option", "role tester", "org_id", "-", "-"],
      ["ClientStream", "code", every, "-", "principal.claims.level > 1 && request.text != ''", "-"],
      ["BidiStream", "code", "role a or b", "-", "-", "acr mfa or phr, at most 300 s ago"],
      ["Public", "method option", "anyone, without a token too", "-", "-", "-"],
      ["Authenticated", "method option", every, "-", "-", "-"],
    ]);
    const starts = lines.map((line) => line.search(/code|service option|method option|RULE FROM/));
    expect(new Set(starts).size).toBe(1);
  });

  it("leaves out what no rule asks for", () => {
    const methods: MethodAccess[] = [{ method: "a.B/C", source: "code", policy: { orgField: "org_id" } }];
    expect(formatAccess(methods)).toBe(
      [
        "METHOD  RULE FROM  WHO MAY CALL                ORG FIELD",
        "a.B/C   code       every authenticated caller  org_id",
      ].join("\n"),
    );
    expect(formatAccess([])).toBe("METHOD  RULE FROM  WHO MAY CALL");
  });
});
