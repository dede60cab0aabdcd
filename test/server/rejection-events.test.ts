import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { AccessDeniedError, TokenRejectedError } from "../../src/errors.js";
import { createRejectionEvents, type ServerAuthEvent } from "../../src/server/rejection-events.js";
import { noTelemetry, type Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

const method = EchoService.method.unary;
const METHOD = "latchkey.testing.v1.EchoService/Unary";
const expired = new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired");
const denied = new AccessDeniedError("ERR_ROLE_MISSING", "denied");

describe("createRejectionEvents()", () => {
  it("tells code, method and, when a token was verified, issuer", () => {
    const events: ServerAuthEvent[] = [];
    const report = createRejectionEvents((event) => events.push(event), noTelemetry, createManualClock());
    report(expired, method, undefined);
    report(denied, method, "https://issuer.test");
    expect(events).toEqual([
      { type: "rejected", code: "ERR_TOKEN_EXPIRED", method: METHOD, suppressed: 0 },
      { type: "rejected", code: "ERR_ROLE_MISSING", method: METHOD, suppressed: 0, issuer: "https://issuer.test" },
    ]);
  });

  it("tells of each code at most 10 times per second, and afterwards how many it left out", async () => {
    const clock = createManualClock();
    const events: ServerAuthEvent[] = [];
    const counted: string[] = [];
    const telemetry: Telemetry = { ...noTelemetry, count: (_, labels) => void counted.push(labels?.["code"] ?? "") };
    const report = createRejectionEvents((event) => events.push(event), telemetry, clock);
    for (let refusal = 0; refusal < 1_000; refusal++) report(expired, method, undefined);
    report(denied, method, undefined);
    expect(events.map((event) => event.type === "rejected" && event.code)).toEqual([
      ...Array(10).fill("ERR_TOKEN_EXPIRED"),
      "ERR_ROLE_MISSING",
    ]);
    expect(counted).toHaveLength(1_001);
    await clock.advance(999);
    report(expired, method, undefined);
    expect(events).toHaveLength(11);
    await clock.advance(1);
    report(expired, method, undefined);
    report(expired, method, undefined);
    expect(events.slice(11).map(({ suppressed }) => suppressed)).toEqual([991, 0]);
  });

  it("tells of a failure of the server's own apart from refusals, as seldom", () => {
    const events: ServerAuthEvent[] = [];
    const report = createRejectionEvents((event) => events.push(event), noTelemetry, createManualClock());
    const error = new TypeError("bug");
    for (let failure = 0; failure < 100; failure++) report(error, method, "https://issuer.test");
    expect(events).toEqual(Array(10).fill({ type: "failed", error, method: METHOD, suppressed: 0 }));
  });

  it("says nothing of an answer that the application chose itself", () => {
    const events: ServerAuthEvent[] = [];
    const report = createRejectionEvents((event) => events.push(event), noTelemetry, createManualClock());
    report(new ConnectError("mine", Code.NotFound), method, undefined);
    expect(events).toEqual([]);
  });

  it("counts a listener that fails later, and lets its rejection end no process", async () => {
    const counted: string[] = [];
    const telemetry: Telemetry = { ...noTelemetry, count: (name) => void counted.push(name) };
    const listener = async (): Promise<never> => {
      throw new Error("listener");
    };
    createRejectionEvents(listener, telemetry, createManualClock())(expired, method, undefined);
    // Vitest fails a run in which a rejection was left unhandled.
    await new Promise((resolve) => setImmediate(resolve));
    expect(counted).toContain("latchkey.server.listener_failures");
  });

  it("does not let a listener that throws decide the answer", async () => {
    const counted: string[] = [];
    const telemetry: Telemetry = { ...noTelemetry, count: (name) => void counted.push(name) };
    const listener = (): never => {
      throw new Error("listener");
    };
    const report = createRejectionEvents(listener, telemetry, createManualClock());
    expect(() => report(expired, method, undefined)).not.toThrow();
    await new Promise((resolve) => setImmediate(resolve));
    expect(counted).toContain("latchkey.server.listener_failures");
  });
});
