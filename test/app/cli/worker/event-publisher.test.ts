import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { type JobEvent, OutputStream, type PublishJobEventsRequest } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createEventPublisher, type EventPublisher } from "../../../../src/app/cli/worker/event-publisher.js";
import { away, connectJobClients, leaseNotHeld, makeLease, tokenExpired } from "../../../support/job-clients.js";

type Requests = AsyncIterable<PublishJobEventsRequest>;

describe("createEventPublisher()", () => {
  const lease = makeLease();

  /** A publisher whose streams a test answers: `answer` is called with each stream and its number, from 1 on. */
  function setUp(answer: (requests: Requests, stream: number) => Promise<void>, streamLifetimeMs = 60_000) {
    let streams = 0;
    const { events: client } = connectJobClients({
      events: {
        async publishJobEvents(requests) {
          await answer(requests, ++streams);
          return {};
        },
      },
    });
    const controller = new AbortController();
    const onRefused = vi.fn<(error: unknown) => void>();
    const publisher = createEventPublisher({
      client,
      orgId: "acme",
      lease,
      streamLifetimeMs: async () => streamLifetimeMs,
      onRefused,
      signal: controller.signal,
    });
    return { publisher, onRefused, controller, streams: () => streams };
  }

  function createStore() {
    const stored: JobEvent[] = [];
    const requests: PublishJobEventsRequest[] = [];
    const store = async (stream: Requests): Promise<void> => {
      for await (const request of stream) {
        requests.push(request);
        stored.push(...request.events);
      }
    };
    const text = (): string =>
      stored
        .map(({ event }) => (event.case === "output" ? Buffer.from(event.value.data).toString("utf8") : ""))
        .join("");
    return { store, stored, requests, text };
  }

  const print = (publisher: EventPublisher, text: string): Promise<void> =>
    publisher.publishOutput("stdout", Buffer.from(text));

  it("sends everything in order, under the lease, while the program still runs", async () => {
    const { store, stored, requests, text } = createStore();
    const { publisher } = setUp(store);
    await publisher.publish({ case: "processStarted", value: { attempt: 1, pid: 7 } });
    await print(publisher, "a");
    await publisher.publishOutput("stderr", Buffer.from("b"));
    await vi.waitFor(() => expect(text()).toBe("ab"));
    await publisher.publish({ case: "processEnded", value: { exitCode: 0 } });
    await publisher.close();
    expect(stored.map(({ event }) => event.case)).toEqual(["processStarted", "output", "output", "processEnded"]);
    expect(stored[2]?.event.value).toMatchObject({ stream: OutputStream.STDERR });
    expect(requests[0]).toMatchObject({ orgId: "acme", lease: { jobId: lease.jobId, attempt: 1 } });
  });

  it("splits large output into events of 64 KiB and small messages", async () => {
    const { store, stored, requests, text } = createStore();
    const { publisher } = setUp(store);
    await print(publisher, "x".repeat(1_500_000));
    await publisher.close();
    expect(text()).toHaveLength(1_500_000);
    for (const { event } of stored) {
      if (event.case === "output") expect(event.value.data.length).toBeLessThanOrEqual(65_536);
    }
    for (const { events } of requests) expect(events.length).toBeLessThanOrEqual(5);
  });

  it("closes its stream before the token expires, and goes on with another one", async () => {
    const { store, text } = createStore();
    const { publisher, streams } = setUp(store, 20);
    await print(publisher, "1");
    await vi.waitFor(() => expect(text()).toBe("1"));
    await vi.waitFor(async () => {
      await print(publisher, "+");
      expect(streams()).toBeGreaterThan(2);
    });
    await publisher.close();
    expect(text()).toMatch(/^1\++$/);
  });

  it.each([
    ["the server went away", away],
    ["the token expired", tokenExpired],
  ])("sends again what was not confirmed when %s", async (_name, failure) => {
    const { store, text, requests: kept } = createStore();
    const positions: bigint[] = [];
    const { publisher, streams } = setUp(async (requests, stream) => {
      if (stream > 1) return store(requests);
      for await (const { firstPosition } of requests) {
        positions.push(firstPosition);
        throw failure();
      }
    });
    await print(publisher, "kept");
    await publisher.close();
    expect(text()).toBe("kept");
    expect(streams()).toBe(2);
    // By which the server knows what it has stored already.
    expect([...positions, ...kept.map(({ firstPosition }) => firstPosition)]).toEqual([1n, 1n]);
  });

  it.each([
    ["the lease is lost", leaseNotHeld()],
    ["there are too many events", new ConnectError("too many events", Code.ResourceExhausted)],
  ])("drops everything once %s, and says so once", async (_name, refusal) => {
    const { publisher, onRefused, streams } = setUp(async () => {
      throw refusal;
    });
    await print(publisher, "lost");
    await vi.waitFor(() => expect(onRefused).toHaveBeenCalledOnce());
    expect(onRefused.mock.calls[0]?.[0]).toMatchObject({ code: refusal.code });
    // More than may be unconfirmed: would wait for ever if anything were kept.
    for (let i = 0; i < 40; i++) await print(publisher, "x".repeat(65_536));
    await publisher.close();
    expect(streams()).toBe(1);
  });

  it("ends when its signal aborts, sent or not", async () => {
    const { publisher, controller, onRefused } = setUp(async () => {
      throw away();
    });
    await print(publisher, "never sent");
    controller.abort();
    await publisher.close();
    expect(onRefused).not.toHaveBeenCalled();
  });
});
