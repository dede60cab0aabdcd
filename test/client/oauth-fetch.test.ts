import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { createOAuthFetch, type OAuthDocument } from "../../src/client/oauth-fetch.js";
import { type OAuthFetch, readOAuthSettings } from "../../src/client/oauth-options.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

const url = "https://issuer.example/token";
const never = new Promise<never>(() => {});

function open(fetch: OAuthFetch, check: (document: OAuthDocument) => object = (document) => document) {
  const clock = createManualClock();
  const seen: Headers[] = [];
  const settings = readOAuthSettings({ authorizationServer: "https://issuer.example", clock, fetch });
  const onHeaders = (headers: Headers): void => void seen.push(headers);
  const send = createOAuthFetch(settings, { subject: "token endpoint", check, onHeaders });
  return { clock, seen, send };
}

const post = { method: "POST", headers: { "x-a": "b" }, body: new URLSearchParams({ a: "b" }) };

describe("createOAuthFetch()", () => {
  it("sends the request without ambient credentials and follows no redirect", async () => {
    const sent: [string, RequestInit][] = [];
    const { send } = open(async (...request) => {
      sent.push(request);
      return Response.json({ ok: true });
    });
    await send(url, post);
    expect(sent).toEqual([
      [url, { ...post, credentials: "omit", redirect: "manual", signal: expect.any(AbortSignal) }],
    ]);
  });

  it("calls a fetch that may be a method of nothing, as that of a browser is", async () => {
    const fetch = async function (this: unknown): Promise<Response> {
      if (this !== undefined) throw new TypeError("Illegal invocation");
      return Response.json({ ok: true });
    };
    expect(await (await open(fetch).send(url, post)).json()).toEqual({ ok: true });
  });

  it("gives what was made of the document and nothing else", async () => {
    const answer = async () => Response.json({ a: 1, b: 2 }, { headers: { "set-cookie": "a=b", "x-request": "1" } });
    const { send } = open(answer, ({ a }) => ({ a }));
    const response = await send(url, post);
    expect(await response.json()).toEqual({ a: 1 });
    expect([...response.headers.keys()]).toEqual(["content-type"]);
  });

  it.each([200, 401, 503])("tells of the headers of an answer with status %i", async (status) => {
    const { send, seen } = open(async () => Response.json({}, { status, headers: { date: "now" } }));
    await send(url, post).catch(() => {});
    expect(seen.map((headers) => headers.get("date"))).toEqual(["now"]);
  });

  it("takes a redirect that a browser does not show for one", async () => {
    const opaque = Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" });
    await expect(open(async () => opaque).send(url, post)).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
      message: "The request to the token endpoint was answered with a redirect",
    });
  });

  it.each(["application/json", "application/json; charset=utf-8", "Application/JSON ;a=b"])(
    "takes %s",
    async (type) => {
      const fetch = async () => new Response("{}", { headers: { "content-type": type } });
      expect((await open(fetch).send(url, post)).status).toBe(200);
    },
  );

  it.each(["text/html", "text/plain", "application/jsonp", "application/jwt", ""])("refuses %j", async (type) => {
    const fetch = async () =>
      new Response(new Blob(["{}"]).stream(), { headers: type === "" ? {} : { "content-type": type } });
    await expect(open(fetch).send(url, post)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("counts the body as it comes, 64 KiB at most, and ends it there", async () => {
    let pulled = 0;
    let cancelled = false;
    const body = (limit: number, signal: AbortSignal | null | undefined) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          signal?.addEventListener("abort", () => {
            cancelled = true;
            controller.error(signal.reason);
          });
        },
        pull(controller) {
          pulled += 1_024;
          if (pulled > limit) controller.close();
          else
            controller.enqueue(
              new TextEncoder().encode(pulled === 1_024 ? `{}${" ".repeat(1_022)}` : " ".repeat(1_024)),
            );
        },
      });
    const answer =
      (limit: number) =>
      async (_: string, { signal }: RequestInit) => {
        pulled = 0;
        return new Response(body(limit, signal), { headers: { "content-type": "application/json" } });
      };
    expect((await open(answer(64 * 1_024)).send(url, post)).status).toBe(200);
    cancelled = false;
    await expect(open(answer(Number.POSITIVE_INFINITY)).send(url, post)).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
    expect(pulled).toBeLessThan(80 * 1_024);
    expect(cancelled).toBe(true);
  });

  it("fails at its deadline whatever the fetch does", async () => {
    const { clock, send } = open(() => never);
    const sent = send(url, post);
    sent.catch(() => {});
    await clock.advance(4_999);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    await expect(sent).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends with the reason of a caller who leaves", async () => {
    const { clock, send } = open(() => never);
    const controller = new AbortController();
    const sent = send(url, { ...post, signal: controller.signal });
    controller.abort(new Error("left"));
    await expect(sent).rejects.toBe(controller.signal.reason);
    expect(clock.pendingTimers).toBe(0);
  });

  it("leaves no listener and no timer behind", async () => {
    const { clock, send } = open(async () => Response.json({}));
    const { signal } = new AbortController();
    await send(url, { ...post, signal });
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("sends nothing for a caller who has left", async () => {
    let calls = 0;
    const { send } = open(() => {
      calls++;
      return never;
    });
    const signal = AbortSignal.abort(new Error("left"));
    await expect(send(url, { ...post, signal })).rejects.toBe(signal.reason);
    expect(calls).toBe(0);
  });

  it("names a fault by its code, and by nothing that is not one", async () => {
    const failing = (error: unknown) => open(() => Promise.reject(error)).send(url, post);
    const text = "The request to the token endpoint failed";
    await expect(failing(new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } }))).rejects.toThrow(
      `${text} (ECONNREFUSED)`,
    );
    for (const code of ["client_assertion=eyJ", "A", 7, undefined]) {
      await expect(failing(Object.assign(new Error("x"), { code }))).rejects.toHaveProperty("message", text);
    }
    await expect(failing(undefined)).rejects.toHaveProperty("message", text);
  });
});
