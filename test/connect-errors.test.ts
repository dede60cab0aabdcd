import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import {
  type ConnectErrorOptions,
  readRetryInfoMs,
  readWireReason,
  toConnectError,
  toUnsentError,
} from "../src/connect-errors.js";
import {
  type AccessDeniedCode,
  AccessDeniedError,
  type AuthError,
  ConfigError,
  CredentialError,
  type KeysUnavailableCode,
  KeysUnavailableError,
  StepUpRequiredError,
  type TokenRejectedCode,
  TokenRejectedError,
  TokenSourceError,
} from "../src/errors.js";

const SECRET = "eyJhbGciOiJFUzI1NiJ9.claim-value";

/** What the peer gets to see of an error. */
function seenByPeer(error: AuthError, realm = "jobs"): readonly unknown[] {
  const converted = toConnectError(error, { realm });
  const [info] = converted.findDetails(ErrorInfoSchema);
  return [Code[converted.code], converted.metadata.get("www-authenticate"), info?.reason, converted.rawMessage];
}

describe("toConnectError()", () => {
  it("asks for credentials without an error attribute when there are none", () => {
    expect(seenByPeer(new TokenRejectedError("ERR_CREDENTIALS_MISSING", SECRET))).toEqual([
      "Unauthenticated",
      'Bearer realm="jobs"',
      "CREDENTIALS_MISSING",
      "credentials required",
    ]);
  });

  it("calls a malformed header an invalid request", () => {
    expect(seenByPeer(new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", SECRET))).toEqual([
      "Unauthenticated",
      'Bearer realm="jobs", error="invalid_request"',
      "CREDENTIALS_MALFORMED",
      "credentials not accepted",
    ]);
  });

  it("tells that a token expired", () => {
    expect(seenByPeer(new TokenRejectedError("ERR_TOKEN_EXPIRED", SECRET))).toEqual([
      "Unauthenticated",
      'Bearer realm="jobs", error="invalid_token"',
      "TOKEN_EXPIRED",
      "token expired",
    ]);
  });

  const rejected: readonly TokenRejectedCode[] = [
    "ERR_TOKEN_MALFORMED",
    "ERR_TOKEN_TYPE",
    "ERR_TOKEN_ALGORITHM",
    "ERR_TOKEN_ISSUER",
    "ERR_TOKEN_AUDIENCE",
    "ERR_TOKEN_NOT_YET_VALID",
    "ERR_TOKEN_LIFETIME",
    "ERR_TOKEN_CLAIMS",
    "ERR_TOKEN_BOUND",
    "ERR_TOKEN_SIGNATURE",
    "ERR_TOKEN_REVOKED",
    "ERR_KEY_NOT_FOUND",
    "ERR_KEY_UNUSABLE",
  ];
  it.each(rejected)("does not tell %s from any other reason to reject a token", (code) => {
    expect(seenByPeer(new TokenRejectedError(code, SECRET))).toEqual([
      "Unauthenticated",
      'Bearer realm="jobs", error="invalid_token"',
      "TOKEN_REJECTED",
      "credentials not accepted",
    ]);
  });

  const challengeOf = (error: AuthError, options: ConnectErrorOptions): string | null =>
    toConnectError(error, options).metadata.get("www-authenticate");
  const PROOF_OPTIONS = { realm: "jobs", scheme: "DPoP", proofAlgorithms: ["ES256", "EdDSA"] } as const;

  it.each([
    ["ERR_PROOF_MISSING", "invalid_dpop_proof", "PROOF_REJECTED"],
    ["ERR_PROOF_INVALID", "invalid_dpop_proof", "PROOF_REJECTED"],
    ["ERR_PROOF_REPLAYED", "invalid_dpop_proof", "PROOF_REJECTED"],
    ["ERR_PROOF_NONCE", "use_dpop_nonce", "PROOF_NONCE_REQUIRED"],
    ["ERR_TOKEN_EXPIRED", "invalid_token", "TOKEN_EXPIRED"],
  ] as const)("challenges who sent a proof in its scheme, with the algorithms: %s", (code, expected, reason) => {
    const error = new TokenRejectedError(code, SECRET);
    expect(challengeOf(error, PROOF_OPTIONS)).toBe(`DPoP realm="jobs", error="${expected}", algs="ES256 EdDSA"`);
    expect(readWireReason(toConnectError(error, PROOF_OPTIONS))).toBe(reason);
  });

  it("tells of algorithms of proofs to nobody who sent none", () => {
    const error = new TokenRejectedError("ERR_TOKEN_BOUND", SECRET);
    expect(challengeOf(error, { ...PROOF_OPTIONS, scheme: "Bearer" })).toBe(
      'Bearer realm="jobs", error="invalid_token"',
    );
    expect(challengeOf(error, { realm: "jobs", scheme: "DPoP" })).toBe('DPoP realm="jobs", error="invalid_token"');
  });

  it.each([
    [{ acrValues: ["phr", "mfa"], maxAgeSeconds: 0 }, ', acr_values="phr mfa", max_age="0"'],
    [{ acrValues: ["mfa"] }, ', acr_values="mfa"'],
    [{ maxAgeSeconds: 300 }, ', max_age="300"'],
    [{}, ""],
  ])("asks for another authentication of the user: %j", (demands, parameters) => {
    const error = new StepUpRequiredError(SECRET, demands);
    expect(seenByPeer(error)).toEqual([
      "Unauthenticated",
      `Bearer realm="jobs", error="insufficient_user_authentication"${parameters}`,
      "STEP_UP_REQUIRED",
      "credentials not accepted",
    ]);
  });

  it("tells in every challenge, and in nothing else, where the metadata of the service are", () => {
    const options = { ...PROOF_OPTIONS, resourceMetadata: "https://jobs.example/metadata" };
    const where = 'resource_metadata="https://jobs.example/metadata"';
    const missing = new TokenRejectedError("ERR_CREDENTIALS_MISSING", SECRET);
    expect(challengeOf(missing, { ...options, scheme: "Bearer" })).toBe(`Bearer realm="jobs", ${where}`);
    expect(challengeOf(new AccessDeniedError("ERR_ROLE_MISSING", SECRET), options)).toBe(
      `DPoP realm="jobs", error="insufficient_scope", algs="ES256 EdDSA", ${where}`,
    );
    expect(challengeOf(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", SECRET), options)).toBeNull();
  });

  const denied: readonly AccessDeniedCode[] = [
    "ERR_ROLE_MISSING",
    "ERR_SCOPE_MISSING",
    "ERR_ORG_MISSING",
    "ERR_ORG_MISMATCH",
    "ERR_CONDITION_NOT_MET",
  ];
  it.each(denied)("does not tell %s from any other rule", (code) => {
    expect(seenByPeer(new AccessDeniedError(code, SECRET))).toEqual([
      "PermissionDenied",
      'Bearer realm="jobs", error="insufficient_scope"',
      "ACCESS_DENIED",
      "access denied",
    ]);
  });

  const unavailable: readonly KeysUnavailableCode[] = [
    "ERR_KEYS_UNAVAILABLE",
    "ERR_KEYS_INVALID",
    "ERR_REVOCATION_UNAVAILABLE",
    "ERR_REPLAY_UNAVAILABLE",
  ];
  it.each(unavailable)("never challenges on %s, which says nothing about the token", (code) => {
    expect(seenByPeer(new KeysUnavailableError(code, SECRET))).toEqual([
      "Unavailable",
      null,
      "TEMPORARILY_UNAVAILABLE",
      "temporarily unavailable",
    ]);
  });

  it("calls too many pending verifications resource_exhausted", () => {
    expect(seenByPeer(new KeysUnavailableError("ERR_TOO_MANY_PENDING", SECRET))).toEqual([
      "ResourceExhausted",
      null,
      "OVERLOADED",
      "temporarily unavailable",
    ]);
  });

  it("says how long to wait when that is known, rounded up", () => {
    const error = toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down", { retryAfterMs: 1_500.2 }));
    expect(error.metadata.get("retry-after")).toBe("2");
    const [retry] = error.findDetails(RetryInfoSchema);
    expect(retry?.retryDelay).toMatchObject({ seconds: 1n, nanos: 501_000_000 });
    const unknown = toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down"));
    expect(unknown.metadata.get("retry-after")).toBeNull();
    expect(unknown.findDetails(RetryInfoSchema)).toEqual([]);
  });

  it.each([
    ["ERR_TOKEN_SOURCE_UNAVAILABLE", "Unavailable"],
    ["ERR_TOKEN_SOURCE_REFUSED", "Unauthenticated"],
    ["ERR_TOKEN_SOURCE_INVALID", "Internal"],
    ["ERR_TOKEN_ORIGIN", "FailedPrecondition"],
  ] as const)("gives %s no challenge, for no server sent one", (code, expected) => {
    const [connectCode, challenge, reason, text] = seenByPeer(new TokenSourceError(code, SECRET));
    expect([connectCode, challenge, reason]).toEqual([expected, null, undefined]);
    expect(text).not.toContain(SECRET);
  });

  it("makes internal of everything else, with a fixed text and the cause kept", () => {
    for (const error of [
      new CredentialError("ERR_KEY_WEAK", SECRET),
      new ConfigError("ERR_CONFIG_INVALID", SECRET),
      new RangeError(SECRET),
      SECRET,
    ]) {
      const converted = toConnectError(error);
      expect([converted.code, converted.rawMessage, converted.cause]).toEqual([Code.Internal, "internal error", error]);
      expect(converted.metadata.get("www-authenticate")).toBeNull();
    }
  });

  it("gives a ConnectError back as it is", () => {
    const error = new ConnectError("mine", Code.NotFound);
    expect(toConnectError(error)).toBe(error);
  });

  it("keeps the error as its cause", () => {
    const error = new TokenRejectedError("ERR_TOKEN_SIGNATURE", "why");
    expect(toConnectError(error).cause).toBe(error);
  });

  it.each(['a"b', "a\\b", "a\r\nb", "", "ü", "\u007f"])("G6: refuses the realm %j", (realm) => {
    const error = new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired");
    expect(() => toConnectError(error, { realm })).toThrow(TypeError);
  });
});

describe("toUnsentError()", () => {
  it("gives what toConnectError() gives, for every error that keeps a client from sending", () => {
    for (const error of [
      new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", SECRET),
      new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", SECRET),
      new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", SECRET),
      new TokenSourceError("ERR_TOKEN_ORIGIN", SECRET),
      new CredentialError("ERR_KEY_INVALID", SECRET),
      new Error(SECRET),
    ]) {
      const [unsent, usual] = [toUnsentError(error), toConnectError(error)];
      expect([unsent.code, unsent.rawMessage, unsent.cause]).toEqual([usual.code, usual.rawMessage, error]);
      expect([...unsent.metadata, ...unsent.details]).toEqual([...usual.metadata, ...usual.details]);
    }
  });
});

describe("readWireReason()", () => {
  it("reads back what toConnectError() put in", () => {
    const error = toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired"));
    expect(readWireReason(error)).toBe("TOKEN_EXPIRED");
  });

  it("gives undefined for what another domain says, and for what latchkey never says", () => {
    const other = new ConnectError("x", Code.Unauthenticated, undefined, [
      { desc: ErrorInfoSchema, value: { domain: "other.test", reason: "TOKEN_EXPIRED" } },
      { desc: ErrorInfoSchema, value: { domain: "latchkey", reason: "__proto__" } },
    ]);
    expect(readWireReason(other)).toBeUndefined();
    expect(readWireReason(new ConnectError("x"))).toBeUndefined();
  });
});

describe("readRetryInfoMs()", () => {
  it("gives back the wait that toConnectError() put in, to the millisecond", () => {
    const error = toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "", { retryAfterMs: 2_500 }));
    expect(readRetryInfoMs(error)).toBe(2_500);
    expect(readRetryInfoMs(new ConnectError("x", Code.Unavailable))).toBeUndefined();
  });
});
