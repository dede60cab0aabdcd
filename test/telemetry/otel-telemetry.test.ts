import { randomUUID } from "node:crypto";
import { context, createNoopMeter, type Meter, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { DataPointType, MeterProvider, type MetricData, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwksRegistry } from "../../src/jwks.js";
import { type OtelTelemetryOptions, otelTelemetry } from "../../src/otel.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier } from "../../src/verify.js";
import { unsignedToken } from "../support/forge.js";
import { startJwksServer } from "../support/jwks-server.js";

/** A reader that is asked, as an exporter that is scraped would be. */
class AskedReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}

  async metrics(): Promise<MetricData[]> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
  }

  /** Every name with each of its sets of labels, in order. */
  async labelSets(): Promise<string[]> {
    const metrics = await this.metrics();
    return metrics
      .flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes }) => `${descriptor.name} ${JSON.stringify(attributes)}`),
      )
      .sort();
  }
}

describe("otelTelemetry()", () => {
  let reader: AskedReader;
  let meters: MeterProvider;
  let meter: Meter;
  let exporter: InMemorySpanExporter;
  let tracers: TracerProvider;
  let tracer: Tracer;
  beforeEach(() => {
    reader = new AskedReader();
    meters = new MeterProvider({ readers: [reader] });
    meter = meters.getMeter("latchkey");
    exporter = new InMemorySpanExporter();
    tracers = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    tracer = tracers.getTracer("latchkey");
  });
  afterEach(async () => {
    context.disable();
    await Promise.all([meters.shutdown(), tracers.shutdown()]);
  });

  it("makes no instrument before something is measured", async () => {
    otelTelemetry({ meter, tracer });
    expect(await reader.metrics()).toEqual([]);
  });

  it("counts by one, with the labels given", async () => {
    const telemetry = otelTelemetry({ meter });
    telemetry.count("latchkey.tokens", { outcome: "ok" });
    telemetry.count("latchkey.tokens", { outcome: "ok" });
    telemetry.count("latchkey.tokens");
    const [tokens, ...others] = await reader.metrics();
    expect(others).toEqual([]);
    expect(tokens).toMatchObject({
      descriptor: { name: "latchkey.tokens", unit: "" },
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
    });
    expect(tokens?.dataPoints).toMatchObject([
      { attributes: { outcome: "ok" }, value: 2 },
      { attributes: {}, value: 1 },
    ]);
  });

  it("records values as they are, zero and fractions included", async () => {
    const telemetry = otelTelemetry({ meter });
    for (const value of [0, 0.25, 1_000]) telemetry.record("latchkey.wait_ms", value, { kind: "refresh" });
    const [wait] = await reader.metrics();
    expect(wait?.dataPoints).toMatchObject([
      { attributes: { kind: "refresh" }, value: { count: 3, min: 0, max: 1_000, sum: 1_000.25 } },
    ]);
  });

  it("gives durations their unit, and nothing else one", async () => {
    const telemetry = otelTelemetry({ meter });
    telemetry.record("latchkey.jwks.refresh_ms", 5);
    telemetry.record("latchkey.jwks.unusable_keys", 2);
    expect((await reader.metrics()).map(({ descriptor: { name, unit } }) => [name, unit])).toEqual([
      ["latchkey.jwks.refresh_ms", "ms"],
      ["latchkey.jwks.unusable_keys", ""],
    ]);
  });

  it("tells durations of milliseconds, minutes and hours apart", async () => {
    const telemetry = otelTelemetry({ meter });
    const durationsMs = [3, 40, 700, 20_000, 4 * 60_000, 50 * 60_000, 10 * 3_600_000];
    for (const durationMs of durationsMs) telemetry.record("latchkey.jwks.key_set_age_ms", durationMs);
    const [age] = await reader.metrics();
    const value = age?.dataPoints[0]?.value as { readonly buckets: { readonly counts: number[] } };
    expect(value.buckets.counts.filter((count) => count > 0)).toEqual(durationsMs.map(() => 1));
    // The last bucket has no upper end.
    expect(value.buckets.counts.at(-1)).toBe(0);
  });

  it("makes one instrument per name, however often it is used", () => {
    const made: string[] = [];
    const noop = createNoopMeter();
    const counting: Meter = Object.assign(Object.create(noop) as Meter, {
      createCounter: ((name, options) => {
        made.push(name);
        return noop.createCounter(name, options);
      }) satisfies Meter["createCounter"],
      createHistogram: ((name, options) => {
        made.push(name);
        return noop.createHistogram(name, options);
      }) satisfies Meter["createHistogram"],
    });
    const telemetry = otelTelemetry({ meter: counting });
    for (let index = 0; index < 1_000; index++) {
      telemetry.count("latchkey.tokens", { outcome: `code-${index % 3}` });
      telemetry.record("latchkey.wait_ms", index);
    }
    expect(made).toEqual(["latchkey.tokens", "latchkey.wait_ms"]);
  });

  it("makes a client span with the labels and the outcome", () => {
    const span = otelTelemetry({ tracer }).startSpan?.("latchkey.jwks.refresh", { kind: "refresh", tenant: "acme" });
    expect(exporter.getFinishedSpans()).toEqual([]);
    span?.end("ok");
    const [finished, ...others] = exporter.getFinishedSpans();
    expect(others).toEqual([]);
    expect(finished).toMatchObject({
      name: "latchkey.jwks.refresh",
      kind: SpanKind.CLIENT,
      attributes: { kind: "refresh", tenant: "acme", outcome: "ok" },
      status: { code: SpanStatusCode.UNSET },
      links: [],
    });
  });

  it("adds to a span what was learnt during the call, but not another outcome", () => {
    const span = otelTelemetry({ tracer }).startSpan?.("latchkey.client.token_refresh", { occasion: "needed" });
    span?.end("ok", { token_length: "449", outcome: "other" });
    expect(exporter.getFinishedSpans()).toMatchObject([
      { attributes: { occasion: "needed", token_length: "449", outcome: "ok" } },
    ]);
  });

  it("marks a span that ended with a code as an error", () => {
    otelTelemetry({ tracer }).startSpan?.("latchkey.jwks.refresh").end("ERR_KEYS_INVALID");
    expect(exporter.getFinishedSpans()).toMatchObject([
      {
        attributes: { outcome: "ERR_KEYS_INVALID" },
        status: { code: SpanStatusCode.ERROR, message: "ERR_KEYS_INVALID" },
      },
    ]);
  });

  it("ends a span once, with the first outcome", () => {
    const span = otelTelemetry({ tracer }).startSpan?.("latchkey.jwks.refresh");
    span?.end("ok");
    span?.end("ERR_KEYS_INVALID");
    expect(exporter.getFinishedSpans()).toMatchObject([{ attributes: { outcome: "ok" } }]);
  });

  it("begins a trace of its own, linked to the span of the caller", () => {
    context.setGlobalContextManager(new StackContextManager().enable());
    const caller = tracer.startSpan("call");
    context.with(trace.setSpan(context.active(), caller), () => {
      otelTelemetry({ tracer }).startSpan?.("latchkey.jwks.refresh").end("ok");
    });
    const [span] = exporter.getFinishedSpans();
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.spanContext().traceId).not.toBe(caller.spanContext().traceId);
    expect(span?.links.map((link) => link.context)).toEqual([caller.spanContext()]);
  });

  it("links to no span that has ended, as a timer would inherit it", () => {
    context.setGlobalContextManager(new StackContextManager().enable());
    const caller = tracer.startSpan("call");
    context.with(trace.setSpan(context.active(), caller), () => {
      caller.end();
      otelTelemetry({ tracer }).startSpan?.("latchkey.jwks.refresh").end("ok");
    });
    const [, span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({ name: "latchkey.jwks.refresh", links: [] });
    expect(span?.spanContext().traceId).not.toBe(caller.spanContext().traceId);
  });

  it("makes no spans without a tracer and measures nothing without a meter", () => {
    expect(otelTelemetry({ meter }).startSpan).toBeUndefined();
    const telemetry = otelTelemetry({ tracer });
    telemetry.count("latchkey.tokens");
    telemetry.record("latchkey.wait_ms", 1);
    telemetry.startSpan?.("latchkey.jwks.refresh").end("ok");
    expect(exporter.getFinishedSpans()).toHaveLength(1);
  });

  it("drops what a meter and a tracer throw, and ends the span all the same", () => {
    const fail = (): never => {
      throw new Error("the exporter is broken");
    };
    let ended = 0;
    const span = Object.assign(Object.create(tracer.startSpan("noop")), {
      setAttributes: fail,
      end: () => {
        ended++;
        fail();
      },
    });
    const broken = otelTelemetry({
      meter: Object.assign(Object.create(createNoopMeter()) as Meter, { createCounter: fail, createHistogram: fail }),
      tracer: Object.assign(Object.create(tracer) as Tracer, { startSpan: () => span }),
    });
    expect(() => broken.count("latchkey.tokens")).not.toThrow();
    expect(() => broken.record("latchkey.wait_ms", 1)).not.toThrow();
    const begun = broken.startSpan?.("latchkey.jwks.refresh");
    expect(() => begun?.end("ERR_KEYS_INVALID")).not.toThrow();
    expect(ended).toBe(1);
    const unable = otelTelemetry({ tracer: Object.assign(Object.create(tracer) as Tracer, { startSpan: fail }) });
    expect(() => unable.startSpan?.("latchkey.jwks.refresh").end("ok")).not.toThrow();
  });

  it.each([
    [undefined, "options must be an object, got undefined"],
    [{ meters: {} }, "options.meters is not an option"],
    [{}, "options.meter or options.tracer must be given"],
    [{ meter: undefined, tracer: undefined }, "options.meter or options.tracer must be given"],
    [{ meter: null }, "options.meter must be a Meter of @opentelemetry/api, got null"],
    [{ meter: "latchkey" }, "options.meter must be a Meter of @opentelemetry/api, got string"],
    [{ tracer: null }, "options.tracer must be a Tracer of @opentelemetry/api, got null"],
    [{ tracer: {} }, "options.tracer must be a Tracer of @opentelemetry/api, got object"],
  ])("refuses the options %j", (options, message) => {
    expect(() => otelTelemetry(options as OtelTelemetryOptions)).toThrow(new TypeError(message));
  });

  it("L3: has as many sets of labels after 10,000 strangers as after the first", { timeout: 60_000 }, async () => {
    const clock = createManualClock();
    const issuer = await createTestIssuer({ clock });
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    await using verifier = createVerifier({
      issuers: [
        {
          issuer: issuer.issuer,
          audience: issuer.audience,
          algorithms: ["ES256"],
          jwksUri: server.url,
          jwksOptions: { retries: 0, refreshJitterMs: 0 },
        },
      ],
      allowLoopbackHttp: true,
      telemetry: otelTelemetry({ meter, tracer }),
      clock,
    });
    const strangers = async (count: number): Promise<void> => {
      const exp = Math.floor(clock.nowMs() / 1_000) + 300;
      for (let index = 0; index < count; index++) {
        const name = randomUUID();
        const iss = index % 3 === 0 ? name : issuer.issuer;
        const kid = index % 3 === 1 ? issuer.kid : name;
        const header = { alg: "ES256", typ: "at+jwt", kid };
        const token = unsignedToken({ header, payload: { iss, sub: name, aud: issuer.audience, exp, org: name } });
        await verifier.verify(token).catch(() => {});
      }
    };
    await verifier.verify(await issuer.mint());
    await strangers(3);
    const first = await reader.labelSets();
    const firstSpans = exporter.getFinishedSpans().length;
    await strangers(10_000);
    expect(await reader.labelSets()).toEqual(first);
    expect(exporter.getFinishedSpans()).toHaveLength(firstSpans);
    expect(server.hits).toBe(2);
    // All three kinds of stranger were measured.
    const tokens = (await reader.metrics()).find(({ descriptor }) => descriptor.name === "latchkey.verify.tokens");
    expect(tokens?.dataPoints.reduce((sum, { value }) => sum + Number(value), 0)).toBe(10_004);
    expect(tokens?.dataPoints).toHaveLength(4);
  });

  it("L3: names tenants and providers as registered, and nothing else that could grow", {
    timeout: 60_000,
  }, async () => {
    const clock = createManualClock();
    const issuer = await createTestIssuer({ clock });
    await using server = await startJwksServer(() => ({ body: issuer.jwks() }));
    await using registry = createJwksRegistry({
      defaults: { allowLoopbackHttp: true, retries: 0, refreshJitterMs: 0 },
      telemetry: otelTelemetry({ meter, tracer }),
      clock,
    });
    for (const tenantId of ["acme", "globex"]) {
      registry.register({ tenantId, providerId: "idp", url: server.url });
      await registry.resolve(tenantId, "idp", issuer.kid);
      await expect(registry.resolve(tenantId, "idp", "stranger")).rejects.toThrow();
    }
    const first = await reader.labelSets();
    for (let index = 0; index < 5_000; index++) {
      for (const tenantId of ["acme", "globex"]) await registry.resolve(tenantId, "idp", randomUUID()).catch(() => {});
    }
    expect(await reader.labelSets()).toEqual(first);
    for (const labels of first) expect(labels).toMatch(/"tenant":"(acme|globex)","provider":"idp"/);
    const requests = (await reader.metrics()).find(({ descriptor }) => descriptor.name === "latchkey.jwks.requests");
    expect(requests?.dataPoints.reduce((sum, { value }) => sum + Number(value), 0)).toBe(10_004);
    expect(exporter.getFinishedSpans().map(({ name, attributes }) => [name, attributes])).toEqual(
      ["acme", "globex"].flatMap((tenant) =>
        ["refresh", "forced"].map((kind) => [
          "latchkey.jwks.refresh",
          { tenant, provider: "idp", kind, outcome: "ok" },
        ]),
      ),
    );
  });
});
