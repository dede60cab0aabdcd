import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import { compactVerify, decodeJwt, decodeProtectedHeader, EmbeddedJWK } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dpopProofs } from "../../src/client/dpop-proofs.js";
import { privateKeyJwt } from "../../src/client/private-key-jwt.js";
import { createTokenEndpoint, type TokenEndpoint, type TokenEndpointOptions } from "../../src/client/token-endpoint.js";
import { CredentialError, TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import {
  type OAuthAnswer,
  type ScriptedAuthorizationServer,
  startAuthorizationServer,
  tokenAnswer,
} from "../support/scripted-authorization-server.js";
import { createSkippingClock } from "../support/skipping-clock.js";

const DEADLINES_MS = [5_000, 15_000];
const MARKER = "zQ7-what-the-server-said";
const { key } = await generateSigningKey();
const never = new Promise<never>(() => {});

let server: ScriptedAuthorizationServer;
beforeEach(async () => {
  server = await startAuthorizationServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

function open(options: Partial<TokenEndpointOptions> = {}): TokenEndpoint {
  const authorizationServer = { issuer: "https://issuer.example", tokenEndpoint: server.tokenEndpoint };
  return createTokenEndpoint({ authorizationServer, clock: createSkippingClock(DEADLINES_MS), ...options });
}

function ask(endpoint: TokenEndpoint, signal = new AbortController().signal) {
  return endpoint.request("client_credentials", new URLSearchParams({ scope: "jobs" }), { signal });
}

async function failure(work: Promise<unknown>): Promise<TokenSourceError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TokenSourceError)) throw new Error("expected a TokenSourceError", { cause: error });
  return error;
}

/** The global fetch, and when its first answer has come but for its body. */
function observedFetch() {
  const first = Promise.withResolvers<void>();
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await globalThis.fetch(url, init);
    first.resolve();
    return response;
  };
  return { fetch, answered: first.promise };
}

/** Everything that a log could show of an error. */
function shown(error: Error): string {
  return `${error.message} ${error.stack} ${inspect(error, { depth: 20, showHidden: true })} ${JSON.stringify(error)}`;
}

describe("createTokenEndpoint()", () => {
  it("sends one form and gives what was granted", async () => {
    server.answer(tokenAnswer({ scope: "jobs.read", issued_token_type: "urn:x", refresh_token: "r", id_token: "i" }));
    const clock = createManualClock();
    const response = await ask(open({ clock, clientId: "report", headers: { "x-tenant": "acme" } }));
    expect(response).toEqual({
      token: { value: "token-1", expiresAtMs: clock.nowMs() + 3_600_000, issuedAtMs: clock.nowMs() },
      scope: "jobs.read",
      issuedTokenType: "urn:x",
      serverTimeMs: expect.any(Number),
    });
    const [request] = server.tokenRequests;
    expect(request?.path).toBe("/token");
    expect(request?.headers).toMatchObject({ accept: "application/json", "x-tenant": "acme" });
    expect([...(request?.parameters ?? [])]).toEqual([
      ["scope", "jobs"],
      ["grant_type", "client_credentials"],
      ["client_id", "report"],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("sends no client where there is none", async () => {
    await ask(open());
    expect(server.tokenRequests[0]?.parameters.has("client_id")).toBe(false);
  });

  it("asks each time for parameters that are used up, and does not change those of the caller", async () => {
    server.answer((hit) => (hit < 3 ? { status: 503 } : tokenAnswer()));
    let serial = 0;
    const parameters = async () => new URLSearchParams({ assertion: `a${++serial}` });
    await open().request("grant", parameters, { signal: new AbortController().signal });
    expect(server.tokenRequests.map(({ parameters: sent }) => sent.get("assertion"))).toEqual(["a1", "a2", "a3"]);
    const fixed = new URLSearchParams({ scope: "jobs" });
    await open({ clientId: "c" }).request("grant", fixed, { signal: new AbortController().signal });
    expect([...fixed]).toEqual([["scope", "jobs"]]);
  });

  it("counts the life of a token from when it was asked for", async () => {
    const gate = Promise.withResolvers<void>();
    server.answer({ ...tokenAnswer({ expires_in: 60 }), after: gate.promise });
    const clock = createManualClock();
    const startMs = clock.nowMs();
    const asked = ask(open({ clock }));
    await server.reached(1);
    await clock.advance(3_000);
    gate.resolve();
    expect((await asked).token).toMatchObject({ issuedAtMs: startMs, expiresAtMs: startMs + 60_000 });
  });

  describe("when the server answers otherwise", () => {
    const large = `{"access_token":"${"a".repeat(70 * 1024)}","token_type":"Bearer"}`;
    const bodies: [string, OAuthAnswer, string, number][] = [
      ["HTML", { headers: { "content-type": "text/html" }, body: `<p>${MARKER}</p>` }, "INVALID", 1],
      ["an error with status 200", { body: { error: "invalid_client", error_description: MARKER } }, "INVALID", 1],
      ["an array", { body: `[{"access_token":"${MARKER}"}]` }, "INVALID", 1],
      ["more than 64 KiB", { body: large }, "INVALID", 1],
      ["5 MB", { body: new Uint8Array(5 * 1024 * 1024).fill(0x20) }, "INVALID", 1],
      ["a DPoP token", tokenAnswer({ token_type: "DPoP", access_token: MARKER }), "INVALID", 1],
      ["a token of no type", tokenAnswer({ token_type: "N_A", access_token: MARKER }), "INVALID", 1],
      ["a mac token", tokenAnswer({ token_type: "mac", access_token: MARKER }), "INVALID", 1],
      ["nothing", { body: "" }, "INVALID", 1],
      ["an empty token", tokenAnswer({ access_token: "", scope: MARKER }), "INVALID", 1],
      ["a token with a line break", tokenAnswer({ access_token: `${MARKER}\r\nx-admin: 1` }), "INVALID", 1],
      ["a token with a space", tokenAnswer({ access_token: `${MARKER} ${MARKER}` }), "INVALID", 1],
      [
        "a member twice",
        { body: `{"access_token":"a","access_token":"${MARKER}","token_type":"Bearer"}` },
        "INVALID",
        1,
      ],
      ["status 201", { status: 201, ...tokenAnswer() }, "INVALID", 1],
      ["an ID token alone", { body: { id_token: MARKER, token_type: "Bearer" } }, "INVALID", 1],
      ["half of a document", { body: `{"access_token":"${MARKER}` }, "INVALID", 1],
      ["a byte order mark", { body: `\ufeff{"access_token":"a","token_type":"Bearer"}` }, "INVALID", 1],
      ["a redirect", { status: 307, headers: { location: `/other?${MARKER}` } }, "INVALID", 1],
      ["not modified", { status: 304 }, "INVALID", 1],
    ];

    it.each(bodies)("K7: fails with %s, without its text", async (_, answer, code, requests) => {
      server.answer(answer);
      const error = await failure(ask(open()));
      expect(error.code).toBe(`ERR_TOKEN_SOURCE_${code}`);
      expect(server.tokenRequests).toHaveLength(requests);
      expect(shown(error)).not.toContain(MARKER);
      expect(error.cause).toBeUndefined();
    });

    it("K7: gives up on an answer that dribbles, at the deadline of the attempt", async () => {
      server.answer({ body: `{"access_token":"${MARKER}`, endAfter: never });
      const clock = createManualClock();
      const { fetch, answered } = observedFetch();
      const asked = failure(ask(open({ clock, fetch, retries: 0 })));
      await answered;
      await clock.advance(0);
      await clock.advance(5_000);
      expect((await asked).code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
      expect(shown(await asked)).not.toContain(MARKER);
      await server.reachedAborts(1);
      expect(clock.pendingTimers).toBe(0);
    });

    const statuses: [number, object, string, number][] = [
      [400, { error: "invalid_grant" }, "REFUSED", 1],
      [400, { error: "invalid_scope" }, "REFUSED", 1],
      [401, { error: "invalid_client" }, "REFUSED", 1],
      [401, {}, "REFUSED", 1],
      [403, {}, "REFUSED", 1],
      [404, {}, "REFUSED", 1],
      [408, {}, "UNAVAILABLE", 3],
      [429, {}, "UNAVAILABLE", 3],
      [500, {}, "UNAVAILABLE", 3],
      [502, {}, "UNAVAILABLE", 3],
      [503, {}, "UNAVAILABLE", 3],
    ];

    it.each(statuses)("K8: answers status %i %o with %s after %i request(s)", async (status, body, code, requests) => {
      server.answer({ status, body: { ...body, error_description: MARKER, [MARKER]: MARKER } });
      const error = await failure(ask(open()));
      expect(error.code).toBe(`ERR_TOKEN_SOURCE_${code}`);
      expect(error.message).toContain(String(status));
      expect(server.tokenRequests).toHaveLength(requests);
      expect(shown(error)).not.toContain(MARKER);
    });

    it("K8: names a registered error code, and no other", async () => {
      server.answer({ status: 400, body: { error: "invalid_grant" } });
      expect((await failure(ask(open()))).message).toContain("invalid_grant");
      server.answer({ status: 400, body: { error: MARKER } });
      expect(shown(await failure(ask(open())))).not.toContain(MARKER);
    });

    it("K8: keeps a refusal one whose body never ends", async () => {
      server.answer({ status: 401, body: "{", endAfter: never });
      const clock = createManualClock();
      const { fetch, answered } = observedFetch();
      const asked = failure(ask(open({ clock, fetch })));
      await answered;
      await clock.advance(0);
      await clock.advance(5_000);
      expect((await asked).code).toBe("ERR_TOKEN_SOURCE_REFUSED");
      expect(server.tokenRequests).toHaveLength(1);
    });

    it("K8: repeats a cut connection and names the fault by its code", async () => {
      server.answer((hit) => (hit < 3 ? { reset: true } : tokenAnswer()));
      expect((await ask(open())).token.value).toBe("token-1");
      server.answer({ reset: true });
      const error = await failure(ask(open()));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
      expect(error.message).toMatch(/failed \([A-Z_]+\)$/);
      expect(error.cause).toBeUndefined();
    });

    it("K8: waits as long as the server asks, inside the deadline", async () => {
      server.answer((hit) => (hit < 2 ? { status: 429, headers: { "retry-after": "7" } } : tokenAnswer()));
      const clock = createSkippingClock(DEADLINES_MS);
      await ask(open({ clock }));
      expect(clock.waits).toHaveLength(1);
      expect(clock.waits[0]).toBeGreaterThanOrEqual(7_000);
    });

    it("K8: does not wait past the deadline, and says how long the server asked for", async () => {
      server.answer({ status: 503, headers: { "retry-after": "60" } });
      const clock = createSkippingClock(DEADLINES_MS);
      const error = await failure(ask(open({ clock })));
      expect(error.retryAfterMs).toBe(60_000);
      expect(server.tokenRequests).toHaveLength(1);
      expect(clock.waits).toEqual([]);
    });

    it("L1: shows nothing of any answer, whatever its status, type and form", async () => {
      const statuses = [200, 201, 204, 301, 400, 401, 403, 418, 429, 500, 503, 599];
      const types = ["application/json", "text/html", MARKER];
      const documents: unknown[] = [
        MARKER,
        `{"error":"${MARKER}"`,
        { error: MARKER, error_description: MARKER, error_uri: MARKER },
        { access_token: `${MARKER} `, token_type: "Bearer", [MARKER]: 1 },
        { access_token: "a", token_type: MARKER },
        { access_token: "a", token_type: "Bearer", expires_in: MARKER },
        { access_token: "a", token_type: "Bearer", scope: [MARKER] },
      ];
      const headers = { location: `/${MARKER}`, "www-authenticate": `Basic realm="${MARKER}"`, "retry-after": MARKER };
      for (const status of statuses) {
        for (const type of types) {
          for (const body of documents) {
            const mayHaveBody = status !== 204;
            server.answer({ status, headers: { ...headers, "content-type": type }, body: mayHaveBody ? body : "" });
            const error = await failure(ask(open({ retries: 0, clientId: "report" })));
            expect(shown(error)).not.toContain(MARKER);
            expect(error.cause).toBeUndefined();
          }
        }
      }
    });

    it("L1: shows nothing of what a fetch fails with", async () => {
      const fetch = async () => {
        throw Object.assign(new Error(MARKER, { cause: { data: MARKER } }), { body: MARKER });
      };
      const error = await failure(ask(open({ fetch, retries: 0 })));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
      expect(shown(error)).not.toContain(MARKER);
    });

    it("refuses an answer that a fetch got by following a redirect", async () => {
      server.answer((hit) => (hit === 1 ? { status: 307, headers: { location: "/other" } } : tokenAnswer()));
      const fetch = (url: string, init: RequestInit) => globalThis.fetch(url, { ...init, redirect: "follow" });
      expect((await failure(ask(open({ fetch })))).code).toBe("ERR_TOKEN_SOURCE_INVALID");
    });
  });

  describe("deadlines and aborts", () => {
    it("gives up when everything together takes too long", async () => {
      server.answer({ after: never });
      const clock = createManualClock();
      const asked = failure(ask(open({ clock, attemptTimeoutMs: 60_000 })));
      await server.reached(1);
      await clock.advance(15_000);
      expect((await asked).code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
      expect(clock.pendingTimers).toBe(0);
    });

    it("repeats an attempt that was not answered in time", async () => {
      server.answer((hit) => (hit === 1 ? { after: never } : tokenAnswer()));
      const clock = createManualClock();
      const asked = ask(open({ clock }));
      await server.reached(1);
      await clock.advance(5_000);
      await clock.advance(4_000);
      expect((await asked).token.value).toBe("token-1");
      expect(server.tokenRequests).toHaveLength(2);
    });

    it("ends with the caller's reason, closes the connection and leaves no listener and no timer", async () => {
      server.answer({ after: never });
      const clock = createManualClock();
      const controller = new AbortController();
      const reason = new Error("the caller left");
      const asked = ask(open({ clock }), controller.signal);
      await server.reached(1);
      controller.abort(reason);
      await expect(asked).rejects.toBe(reason);
      await server.reachedAborts(1);
      expect(clock.pendingTimers).toBe(0);
      expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    });

    it("does not wait for a fetch that ignores its signal, and gives up its late answer", async () => {
      const late = Promise.withResolvers<Response>();
      let cancelled = false;
      const body = new ReadableStream({
        cancel() {
          cancelled = true;
        },
      });
      const controller = new AbortController();
      const called = Promise.withResolvers<void>();
      const fetch = () => {
        called.resolve();
        return late.promise;
      };
      const asked = ask(open({ fetch, clock: createManualClock() }), controller.signal);
      await called.promise;
      controller.abort();
      await expect(asked).rejects.toBe(controller.signal.reason);
      late.resolve(new Response(body));
      await new Promise((resolve) => setImmediate(resolve));
      expect(cancelled).toBe(true);
    });

    it("ends while its parameters are being obtained", async () => {
      const controller = new AbortController();
      const asked = open().request("grant", () => never, { signal: controller.signal });
      controller.abort();
      await expect(asked).rejects.toBe(controller.signal.reason);
      expect(server.tokenRequests).toHaveLength(0);
    });
  });

  describe("client authentication", () => {
    const assertionOf = (index: number): string =>
      server.tokenRequests[index]?.parameters.get("client_assertion") ?? "";

    it("K1: makes a new assertion for each request that is sent", async () => {
      server.answer((hit) => (hit < 3 ? { status: 500 } : tokenAnswer()));
      await ask(open({ clientId: "report", clientAuth: privateKeyJwt({ key }) }));
      const identifiers = [0, 1, 2].map((index) => decodeJwt(assertionOf(index)).jti);
      expect(new Set(identifiers).size).toBe(3);
    });

    it("K1: takes the audience from the configuration, whatever the metadata says", async () => {
      const hostile = {
        mtls_endpoint_aliases: { token_endpoint: "https://evil.example" },
        aud: "https://evil.example",
      };
      server.answerMetadata(() => ({
        body: { issuer: server.issuer, token_endpoint: `${server.tokenEndpoint}?aud=evil`, ...hostile },
      }));
      const clientAuth = privateKeyJwt({ key });
      await ask(open({ authorizationServer: server.issuer, clientId: "report", clientAuth }));
      expect(decodeJwt(assertionOf(0)).aud).toBe(server.issuer);
    });

    it("K1: does not let a discovered address be an audience", () => {
      const clientAuth = privateKeyJwt({ key, audience: "token_endpoint" });
      const discovered = { authorizationServer: server.issuer, clientId: "report", clientAuth };
      expect(() => open(discovered)).toThrow("authorizationServer.tokenEndpoint");
    });

    it("K12: signs by the server's clock as soon as a refusal has shown it", async () => {
      const nowMs = 1_900_000_000_000;
      const date = new Date(nowMs - 600_000).toUTCString();
      server.answer((hit) => (hit === 1 ? { status: 401, headers: { date } } : tokenAnswer()));
      const clock = createSkippingClock(DEADLINES_MS, nowMs);
      const endpoint = open({ clock, retries: 0, clientId: "report", clientAuth: privateKeyJwt({ key }) });
      await ask(endpoint);
      expect([0, 1].map((index) => decodeJwt(assertionOf(index)).iat)).toEqual([
        nowMs / 1_000 - 10,
        nowMs / 1_000 - 610,
      ]);
    });

    const clockTales: [string, (hit: number) => number, boolean, number][] = [
      ["another time with each answer", (hit) => hit * 60, true, 2],
      ["a time that assertions bear with", () => -10, true, 1],
      ["another time, to a client without assertions", () => -600, false, 1],
    ];
    it.each(clockTales)("K8: repeats no further refusal with %s", async (_, aheadSeconds, withKey, requests) => {
      const nowMs = 1_900_000_000_000;
      const date = (hit: number): string => new Date(nowMs + aheadSeconds(hit) * 1_000).toUTCString();
      server.answer((hit) => ({ status: 401, headers: { date: date(hit) } }));
      const clock = createSkippingClock(DEADLINES_MS, nowMs);
      const clientAuth = withKey ? { clientAuth: privateKeyJwt({ key }) } : {};
      const error = await failure(ask(open({ clock, clientId: "report", ...clientAuth })));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_REFUSED");
      expect(server.tokenRequests).toHaveLength(requests);
    });

    it("passes on what the key fails with, and sends nothing", async () => {
      const broken = new CredentialError("ERR_KEY_MISSING", "no key");
      const clientAuth = privateKeyJwt({
        key: () => {
          throw broken;
        },
      });
      await expect(ask(open({ clientId: "report", clientAuth }))).rejects.toBe(broken);
      expect(server.tokenRequests).toHaveLength(0);
    });

    it("does not repeat what could not be sent", async () => {
      let calls = 0;
      const clientAuth = {
        authenticate() {
          calls++;
          throw new Error("the key is in use");
        },
      };
      const error = await failure(ask(open({ clientId: "report", clientAuth })));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_UNAVAILABLE");
      expect(error.cause).toMatchObject({ message: "the key is in use" });
      expect(calls).toBe(1);
    });
  });

  describe("with proofs", () => {
    const dpop = dpopProofs({ key });
    const bound = tokenAnswer({ token_type: "dpop" });
    const wantsNonce = (nonce: string, status = 400): OAuthAnswer => ({
      status,
      headers: { "dpop-nonce": nonce },
      body: { error: "use_dpop_nonce" },
    });
    const proofOf = (index: number) => decodeJwt(String(server.tokenRequests[index]?.headers["dpop"]));
    const nonces = () => server.tokenRequests.map((_, index) => proofOf(index)["nonce"]);

    it("proves the request, and takes a token that is bound", async () => {
      server.answer(bound);
      const authorizationServer = { issuer: "https://issuer.example", tokenEndpoint: `${server.tokenEndpoint}?a=b` };
      expect((await ask(open({ dpop, authorizationServer }))).token.value).toBe("token-1");
      const proof = String(server.tokenRequests[0]?.headers["dpop"]);
      const { payload } = await compactVerify(proof, EmbeddedJWK);
      expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
        jti: expect.stringMatching(/^[\w-]{22}$/),
        htm: "POST",
        htu: server.tokenEndpoint,
        iat: expect.any(Number),
      });
      expect(decodeProtectedHeader(proof).typ).toBe("dpop+jwt");
    });

    it.each(["Bearer", "bearer", "N_A", undefined])("K7: takes no token of type %s in its place", async (type) => {
      server.answer(tokenAnswer({ token_type: type }));
      const error = await failure(ask(open({ dpop })));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_INVALID");
      expect(error.message).toContain("is not DPoP");
      expect(server.tokenRequests).toHaveLength(1);
    });

    it.each([400, 401])("asks again with the nonce that a refusal with status %i brings", async (status) => {
      server.answer((hit) => (hit === 1 ? wantsNonce("n-1", status) : bound));
      const clientAuth = privateKeyJwt({ key });
      await ask(open({ dpop, clientId: "report", clientAuth, retries: 0 }));
      expect(nonces()).toEqual([undefined, "n-1"]);
      const assertions = server.tokenRequests.map(({ parameters }) => parameters.get("client_assertion"));
      expect(new Set(assertions).size).toBe(2);
      expect(proofOf(0).jti).not.toBe(proofOf(1).jti);
    });

    it("uses the nonce of each answer for the next request", async () => {
      server.answer((hit) => ({ ...bound, headers: { "dpop-nonce": `n-${hit}` } }));
      const endpoint = open({ dpop });
      for (let request = 0; request < 3; request++) await ask(endpoint);
      expect(nonces()).toEqual([undefined, "n-1", "n-2"]);
    });

    it("K8: asks twice at most for a nonce, and once where the same is wanted again or none is given", async () => {
      server.answer((hit) => wantsNonce(`n-${hit}`));
      const endpoint = open({ dpop });
      const error = await failure(ask(endpoint));
      expect(error.code).toBe("ERR_TOKEN_SOURCE_REFUSED");
      expect(error.message).toContain("use_dpop_nonce");
      expect(nonces()).toEqual([undefined, "n-1"]);
      server.answer(wantsNonce("n-2"));
      await failure(ask(endpoint));
      expect(nonces()).toEqual([undefined, "n-1", "n-2"]);
      server.answer({ status: 400, body: { error: "use_dpop_nonce" } });
      await failure(ask(open({ dpop })));
      expect(server.tokenRequests).toHaveLength(4);
    });

    it.each(["invalid_dpop_proof", "invalid_grant"])(
      "K8: does not repeat %s, though a nonce comes along",
      async (code) => {
        server.answer({ status: 400, headers: { "dpop-nonce": "n-1" }, body: { error: code } });
        const error = await failure(ask(open({ dpop })));
        expect(error.message).toContain(code);
        expect(server.tokenRequests).toHaveLength(1);
      },
    );

    it("makes a new proof for each request that is sent", async () => {
      server.answer((hit) => (hit < 3 ? { status: 503 } : bound));
      await ask(open({ dpop }));
      expect(new Set([0, 1, 2].map((index) => proofOf(index).jti)).size).toBe(3);
    });

    it("K12: proves by the server's clock as soon as a refusal has shown it", async () => {
      const nowMs = 1_900_000_000_000;
      const date = new Date(nowMs - 600_000).toUTCString();
      server.answer((hit) =>
        hit === 1 ? { status: 400, headers: { date }, body: { error: "invalid_dpop_proof" } } : bound,
      );
      await ask(open({ clock: createSkippingClock(DEADLINES_MS, nowMs), dpop }));
      expect([0, 1].map((index) => proofOf(index).iat)).toEqual([nowMs / 1_000 - 5, nowMs / 1_000 - 605]);
    });

    it("sends nothing when the key cannot sign", async () => {
      const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]);
      const asked = ask(open({ dpop: dpopProofs({ key: { ...key, privateKey } }) }));
      await expect(asked).rejects.toBeInstanceOf(CredentialError);
      expect(server.tokenRequests).toHaveLength(0);
    });

    it("leaves nonces alone without them", async () => {
      server.answer(wantsNonce("n-1"));
      await failure(ask(open()));
      expect(server.tokenRequests).toHaveLength(1);
      expect(server.tokenRequests[0]?.headers).not.toHaveProperty("dpop");
    });
  });

  it("counts requests by outcome", async () => {
    const counted: unknown[] = [];
    const telemetry = { count: (...measurement: unknown[]) => void counted.push(measurement), record() {} };
    server.answer((hit) => (hit === 1 ? tokenAnswer() : { status: 401 }));
    const endpoint = open({ telemetry });
    await ask(endpoint);
    await failure(ask(endpoint));
    expect(counted).toEqual([
      ["latchkey.client.token_requests", { outcome: "ok" }],
      ["latchkey.client.token_requests", { outcome: "ERR_TOKEN_SOURCE_REFUSED" }],
    ]);
  });

  it("tells endpoints and clients apart by identity", () => {
    const tokenEndpoint = server.tokenEndpoint;
    const variants: Partial<TokenEndpointOptions>[] = [
      {},
      { clientId: "a" },
      { clientId: '"' },
      { authorizationServer: "https://issuer.example" },
      { authorizationServer: { issuer: "https://other.example", tokenEndpoint } },
    ];
    const identities = variants.map((options) => open(options).identity);
    expect(new Set(identities).size).toBe(variants.length);
    expect(open({ clientId: "a" }).identity).toBe(identities[1]);
  });

  it.each<[object, string]>([
    [{ clientId: "" }, "clientId must not be empty"],
    [{ clientAuth: privateKeyJwt({ key }) }, "clientAuth needs a clientId"],
    [{ clientId: "a", clientAuth: {} }, "clientAuth.authenticate must be a function"],
    [{ headers: { Authorization: "Basic x" } }, 'headers must not have "authorization"'],
    [{ headers: { DPoP: "x" } }, 'headers must not have "dpop"'],
    [{ headers: { "content-type": "x" } }, 'headers must not have "content-type"'],
    [{ headers: { "x-a": MARKER.concat("\n"), "x y": "" } }, "headers must be names and values that HTTP permits"],
  ])("refuses %o at construction", (options, message) => {
    expect(() => open(options)).toThrow(message);
    expect(() => open(options)).toThrow(TypeError);
  });
});
