import type { Mutant } from "./mutant.ts";

const BEARER = "test/token/bearer.test.ts";
const HOSTILE_HTTP = "test/e2e/hostile-http.test.ts";

/** The Authorization header and the error surface. */
export const mutantsG: readonly Mutant[] = [
  {
    id: "G1",
    file: "src/token/bearer.ts",
    find: "const SCHEME = /^(bearer|dpop) +/i;",
    replace: "const SCHEME = /^(Bearer|DPoP) +/;",
    tests: [BEARER, HOSTILE_HTTP],
  },
  {
    id: "G2",
    file: "src/token/bearer.ts",
    find: "const SCHEME = /^(bearer|dpop) +/i;",
    replace: "const SCHEME = /^(bearer|dpop)\\s*/i;",
    tests: [BEARER, HOSTILE_HTTP],
  },
  {
    id: "G2",
    file: "src/token/bearer.ts",
    find: 'if (scheme !== "Bearer" || !isToken68(token)) throw malformed();',
    replace: 'if (scheme !== "Bearer") throw malformed();',
    tests: [BEARER],
  },
  {
    id: "G2",
    file: "src/server/admission.ts",
    find: "blameCredentials(error, token)",
    replace: "error",
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G3",
    file: "src/server/request-marks.ts",
    find: "hasManyAuthorizations: authorizations > 1",
    replace: "hasManyAuthorizations: false",
    tests: ["test/server/request-marks.test.ts", HOSTILE_HTTP],
  },
  {
    id: "G3",
    file: "src/server/admission.ts",
    find: "if (marks?.hasManyAuthorizations === true) {",
    replace: "if (false) {",
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G4",
    file: "src/server/admission.ts",
    find: 'splitCredentials(header.get("authorization"))',
    replace:
      'splitCredentials(header.get("authorization") ?? header.get("cookie")?.replace("access_token=", "Bearer ") ?? null)',
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G5",
    file: "src/token/bearer.ts",
    find: "if (authorization.length > LONGEST_HEADER) {",
    replace: "if (false) {",
    tests: [BEARER],
  },
  {
    id: "G6",
    file: "src/connect-errors.ts",
    find: "if (error instanceof StepUpRequiredError) {",
    replace: `
      if (error instanceof Error) parameters.push('error_description="' + error.message + '"');
      if (error instanceof StepUpRequiredError) {`,
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G7",
    file: "src/connect-errors.ts",
    find: '  challenge: "invalid_request",\n',
    replace: "",
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G8",
    file: "src/server/upstream-errors.ts",
    find: "error.isWireError || ",
    replace: "",
    tests: ["test/server/upstream-errors.test.ts"],
  },
  {
    id: "G8",
    file: "src/server/upstream-errors.ts",
    find: "isMadeOfStatus(error) || ",
    replace: "",
    tests: ["test/server/upstream-errors.test.ts"],
  },
  {
    id: "G9",
    file: "src/server/gate.ts",
    find: 'responseHeader.set("connection", "close");',
    replace: "",
    tests: [HOSTILE_HTTP],
  },
  {
    id: "G9",
    file: "src/server/not-found.ts",
    find: "if (request.httpVersionMajor < 2 && hasBody(request)) {",
    replace: "if (false) {",
    tests: ["test/server/not-found.test.ts"],
  },
];
