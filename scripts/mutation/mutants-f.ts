import type { Mutant } from "./mutant.ts";

const METHOD_RULE = "test/policy/method-rule.test.ts";
const PROTECT = "test/server/protect.test.ts";
const IDENTITY_HEADERS = "test/server/identity-headers.test.ts";
const INTERCEPTOR = "test/server/interceptor.test.ts";

/** Authorisation. */
export const mutantsF: readonly Mutant[] = [
  {
    id: "F1",
    file: "src/policy/method-rule.ts",
    find: "anyRole.some((role) => principal.roles.has(role))",
    replace: "anyRole.some((role) => [...principal.roles].some((held) => held.toLowerCase().includes(role)))",
    tests: [METHOD_RULE],
  },
  {
    id: "F2",
    file: "src/policy/method-rule.ts",
    find: "hasOrg(principal) && readOrg(message) === principal.org",
    replace: "readOrg(message) === principal.org",
    tests: [METHOD_RULE],
  },
  {
    id: "F2",
    file: "src/policy/method-rule.ts",
    find: "if (needsOrg && !hasOrg(principal)) {",
    replace: "if (false) {",
    tests: [METHOD_RULE],
  },
  {
    id: "F3",
    file: "src/policy/method-rule.ts",
    find: "if (readOrg !== undefined && !(hasOrg(principal) && readOrg(message) === principal.org)) {",
    replace: "if (false) {",
    tests: [PROTECT, "test/server/routes.test.ts"],
  },
  {
    id: "F3",
    file: "src/server/interceptor.ts",
    find: "guard.end(error);",
    replace: "",
    tests: [INTERCEPTOR],
  },
  {
    id: "F4",
    file: "src/policy/method-rules.ts",
    find: "const inProto = getProtoPolicy(method);",
    replace: 'const inProto = getProtoPolicy(method) ?? { source: "service option", policy: {} };',
    tests: ["test/policy/method-rules.test.ts", PROTECT, "test/server/gate.test.ts", "test/server/routes.test.ts"],
  },
  {
    id: "F4",
    file: "src/policy/proto-policy.ts",
    find: "if (hasOption(method, access)) {",
    replace: "if (true) {",
    tests: ["test/policy/proto-policy.test.ts"],
  },
  {
    id: "F5",
    file: "src/connect-errors.ts",
    find: "code: Code.PermissionDenied,",
    replace: "code: Code.Unauthenticated,",
    tests: [PROTECT],
  },
  {
    id: "F6",
    file: "src/server/admission.ts",
    find: "if (admission === undefined || admission.header !== call.header) return undefined;",
    replace: "if (admission === undefined) return undefined;",
    tests: ["test/server/admission.test.ts"],
  },
  {
    id: "F6",
    file: "src/server/caller-values.ts",
    find: "key.id === principalKey.id ? (caller as T) : base.get(key)",
    replace: "base.get(key)",
    tests: ["test/server/caller-values.test.ts", INTERCEPTOR],
  },
  {
    id: "F7",
    file: "src/server/admission.ts",
    find: "if (rule.isPublic) return note(call, rule);",
    replace: 'if (rule.isPublic && !call.header.has("authorization")) return note(call, rule);',
    tests: [PROTECT],
  },
  {
    id: "F7",
    file: "src/server/admission.ts",
    find: "deleteIdentity(call.header, marks?.rawHeaders);",
    replace: "",
    tests: [PROTECT, IDENTITY_HEADERS],
  },
  {
    id: "F7",
    file: "src/server/identity-headers.ts",
    find: "const lowered = name.toLowerCase();\n      if (names.has",
    replace: "const lowered = name;\n      if (names.has",
    tests: [IDENTITY_HEADERS],
  },
  {
    id: "F7",
    file: "src/server/identity-headers.ts",
    find: "if (rawHeaders === undefined || rawHeaders.length === 0) {",
    replace: "if (rawHeaders === undefined) {",
    tests: [IDENTITY_HEADERS],
  },
  {
    id: "F8",
    file: "src/server/routes.ts",
    find: "if (unguarded.length > 0) {",
    replace: "if (false) {",
    tests: ["test/server/routes.test.ts"],
  },
];
