import { describe, expect, it } from "vitest";
import { OAUTH_FIELDS, type OAuthOptions, readOAuthSettings } from "../../src/client/oauth-options.js";
import { systemClock } from "../../src/lib/clock.js";

const authorizationServer = "https://issuer.example";

describe("readOAuthSettings()", () => {
  it("takes the default for what is absent or undefined", () => {
    const absent = { retries: undefined, clock: undefined, telemetry: undefined } as unknown as Partial<OAuthOptions>;
    const settings = readOAuthSettings({ authorizationServer, ...absent });
    expect(settings).toMatchObject({
      authorizationServer,
      attemptTimeoutMs: 5_000,
      totalTimeoutMs: 15_000,
      retries: 2,
      allowLoopbackHttp: true,
      clock: systemClock,
    });
    const shared = Object.keys(OAUTH_FIELDS).filter((field) => field !== "dpop");
    expect(Object.keys(settings).sort()).toEqual(shared.sort());
  });

  it("lets telemetry throw", () => {
    const count = () => {
      throw new Error("no collector");
    };
    const { telemetry } = readOAuthSettings({ authorizationServer, telemetry: { count, record() {} } });
    expect(() => telemetry.count("latchkey.client.token_requests")).not.toThrow();
  });

  it.each<[object, string]>([
    [{ fetch: "fetch" }, "fetch must be a function"],
    [{ attemptTimeoutMs: 0 }, "attemptTimeoutMs must be a positive finite number"],
    [{ totalTimeoutMs: Number.POSITIVE_INFINITY }, "totalTimeoutMs must be finite"],
    [{ retries: -1 }, "retries must be 0 or a positive finite number"],
    [{ retries: 1.5 }, "retries must be an integer"],
    [{ retries: "2" }, "retries must be a number"],
    [{ allowLoopbackHttp: "no" }, "allowLoopbackHttp must be a boolean"],
  ])("refuses %o", (options, message) => {
    expect(() => readOAuthSettings({ authorizationServer, ...options })).toThrow(message);
  });
});
