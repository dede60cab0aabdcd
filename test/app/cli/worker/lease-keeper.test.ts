import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { keepLease } from "../../../../src/app/cli/worker/lease-keeper.js";
import { away, connectJobClients, leaseNotHeld, makeLease } from "../../../support/job-clients.js";

describe("keepLease()", () => {
  /** Keeps a lease; `answer` is called with the number of each extension, from 1 on. */
  function setUp(answer: (extension: number) => { readonly cancelled?: boolean }, leaseMs = 900) {
    let extensions = 0;
    const asked: (bigint | number | undefined)[] = [];
    const { jobs } = connectJobClients({
      jobs: {
        extendLease(request) {
          asked.push(request.leaseDuration?.nanos);
          return answer(++extensions);
        },
      },
    });
    const controller = new AbortController();
    const end = keepLease({ client: jobs, lease: makeLease(), leaseMs, signal: controller.signal });
    return { end, controller, asked, extensions: () => extensions };
  }

  it("extends until the job was cancelled", async () => {
    const { end, asked } = setUp((extension) => ({ cancelled: extension === 3 }));
    expect(await end).toEqual({ why: "cancelled" });
    expect(asked).toEqual([900_000_000, 900_000_000, 900_000_000]);
  });

  it("M4: ends when the lease is not held any more", async () => {
    const { end, extensions } = setUp(() => {
      throw leaseNotHeld();
    });
    expect(await end).toEqual({ why: "lost" });
    expect(extensions()).toBe(1);
  });

  it("M4: counts the lease as lost when it runs out while the server is away", async () => {
    const { end } = setUp(() => {
      throw away();
    }, 60);
    expect(await end).toEqual({ why: "lost" });
  });

  it("goes on when the server comes back in time", async () => {
    // The wait after a failure is random and up to 250 ms, so the lease has to be a long one here.
    const { jobs } = connectJobClients({
      jobs: {
        extendLease: () => {
          calls++;
          if (calls === 1) throw away();
          return { cancelled: true };
        },
      },
    });
    let calls = 0;
    const { signal } = new AbortController();
    expect(await keepLease({ client: jobs, lease: makeLease(), leaseMs: 1_500, signal })).toEqual({ why: "cancelled" });
    expect(calls).toBe(2);
  });

  it("ends with the error of a refusal that will not pass", async () => {
    const { end } = setUp(() => {
      throw new ConnectError("revoked", Code.Unauthenticated);
    });
    expect(await end).toMatchObject({ why: "failed", error: { code: Code.Unauthenticated } });
  });

  it("ends without a reason when it is told to", async () => {
    const { end, controller } = setUp(() => ({}));
    controller.abort();
    expect(await end).toBeUndefined();
  });
});
