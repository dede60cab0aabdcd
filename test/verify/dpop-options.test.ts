import { describe, expect, it } from "vitest";
import { type DpopOptions, resolveDpopOptions } from "../../src/verify/dpop-options.js";

const claim = async (): Promise<boolean> => true;

describe("resolveDpopOptions()", () => {
  it("fills in the defaults, for undefined too", () => {
    const settings = resolveDpopOptions({});
    expect(settings).toEqual({
      algorithms: new Set(["ES256", "EdDSA", "PS256", "RS256"]),
      maxAgeMs: 60_000,
      requireNonce: false,
      nonceSecret: undefined,
      nonceLifetimeMs: 300_000,
      replayStore: undefined,
      origin: undefined,
    });
    expect(resolveDpopOptions({ algorithms: undefined, origin: undefined } as unknown as DpopOptions)).toEqual(
      settings,
    );
  });

  it("copies a secret, so that the caller may wipe it", () => {
    const nonceSecret = new Uint8Array(32).fill(1);
    const settings = resolveDpopOptions({ nonceSecret });
    nonceSecret.fill(0);
    expect(settings.nonceSecret).toEqual(new Uint8Array(32).fill(1));
  });

  it.each([
    ["https://jobs.example", "https://jobs.example"],
    ["HTTPS://Jobs.Example:443/", "https://jobs.example"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
  ])("takes %s for the origin %s", (text, origin) => {
    expect(resolveDpopOptions({ origin: text }).origin).toBe(origin);
  });

  it.each([
    "jobs.example",
    "https://jobs.example/v1",
    "https://jobs.example/?",
    "https://jobs.example#",
    "https://user@jobs.example",
    "wss://jobs.example",
    "https://",
    "null",
  ])("refuses the origin %s", (origin) => {
    expect(() => resolveDpopOptions({ origin })).toThrow(/^dpop\.origin /);
  });

  it.each([
    [{ algorithms: [] }, "dpop.algorithms"],
    [{ algorithms: "ES256" }, "dpop.algorithms"],
    [{ algorithms: ["ES256", "HS256"] }, "dpop.algorithms[1]"],
    [{ algorithms: ["none"] }, "dpop.algorithms[0]"],
    [{ maxAgeSeconds: 0 }, "dpop.maxAgeSeconds"],
    [{ maxAgeSeconds: Number.POSITIVE_INFINITY }, "dpop.maxAgeSeconds"],
    [{ maxAgeSeconds: "60" }, "dpop.maxAgeSeconds"],
    [{ requireNonce: "yes" }, "dpop.requireNonce"],
    [{ nonceSecret: "x".repeat(32) }, "dpop.nonceSecret"],
    [{ nonceSecret: new Uint8Array(31) }, "dpop.nonceSecret"],
    [{ nonceLifetimeSeconds: -1 }, "dpop.nonceLifetimeSeconds"],
    [{ replayStore: new Map() }, "dpop.replayStore.claim"],
    [{ replayStore: null }, "dpop.replayStore.claim"],
    [{ replayStore: claim }, "dpop.replayStore.claim"],
    [{ origin: 7 }, "dpop.origin"],
    [{ origin: "" }, "dpop.origin"],
    [{ maxAge: 60 }, "dpop.maxAge"],
    [[], "dpop"],
    [null, "dpop"],
  ])("refuses %j, naming the field", (options, field) => {
    expect(() => resolveDpopOptions(options as never)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`${field} `) }),
    );
  });
});
