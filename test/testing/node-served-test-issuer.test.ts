import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { createManualClock, serveTestIssuer } from "../../src/testing.js";
import { createVerifier } from "../../src/verify.js";

const DISCOVERY = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

describe("serveTestIssuer()", () => {
  it("serves the keys of an issuer that is named after where it is", async () => {
    await using issuer = await serveTestIssuer();
    expect(issuer.issuer).toBe(issuer.url);
    await using verifier = createVerifier({ issuers: [issuer.trusted()], allowLoopbackHttp: true });
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
    expect([issuer.requests("jwks"), issuer.requests()]).toEqual([1, 1]);
  });

  it("signs with the key of the day", async () => {
    await using issuer = await serveTestIssuer();
    const first = issuer.kid;
    await issuer.rotate();
    issuer.remove(first);
    const { keys } = await (await fetch(issuer.jwksUri)).json();
    expect(keys).toEqual([expect.objectContaining({ kid: issuer.kid })]);
    expect(issuer.kid).not.toBe(first);
    await jwtVerify(await issuer.mint(), createLocalJWKSet({ keys }));
  });

  it.each(DISCOVERY)("publishes metadata at %s", async (path) => {
    await using issuer = await serveTestIssuer({ algorithm: ["ES256", "EdDSA"] });
    const metadata = await (await fetch(`${issuer.url}${path}`)).json();
    expect(metadata).toMatchObject({
      issuer: issuer.url,
      jwks_uri: issuer.jwksUri,
      id_token_signing_alg_values_supported: ["ES256", "EdDSA"],
    });
  });

  it("is found by discovery, unless the metadata are of another issuer", async () => {
    await using issuer = await serveTestIssuer();
    const { jwksUri: _jwksUri, ...trusted } = issuer.trusted();
    const issuers = [{ ...trusted, discovery: true }] as const;
    await using verifier = createVerifier({ issuers, allowLoopbackHttp: true });
    await expect(verifier.verify(await issuer.mint())).resolves.toBeDefined();
    issuer.answerNext("other-issuer", { times: 4 });
    await using other = createVerifier({ issuers, allowLoopbackHttp: true });
    await expect(other.verify(await issuer.mint())).rejects.toMatchObject({ code: "ERR_KEYS_INVALID" });
    expect(issuer.requests("jwks")).toBe(1);
  });

  it("refuses fields that are not an option, and faults that have no such name", async () => {
    await expect(serveTestIssuer({ maxAge: 5 } as never)).rejects.toThrow(
      new TypeError("options.maxAge is not an option"),
    );
    await using issuer = await serveTestIssuer();
    const { answerNext, hold } = issuer;
    expect(() => answerNext("empty", { time: 2 } as never)).toThrow(new TypeError("options.time is not an option"));
    expect(() => answerNext({ stauts: 503 } as never)).toThrow(new TypeError("answer.stauts is not an option"));
    expect(() => answerNext("emtpy" as never)).toThrow(/^answer must be one of reset, cut, /);
    expect(() => hold({ on: "body" } as never)).toThrow(new TypeError("options.on is not an option"));
    expect(await (await fetch(issuer.jwksUri)).json()).toEqual(issuer.jwks());
  });

  it("says how long an answer is fresh, and sends none that the caller has", async () => {
    await using issuer = await serveTestIssuer({ maxAgeSeconds: 7 });
    const response = await fetch(issuer.jwksUri);
    expect(response.headers.get("cache-control")).toBe("public, max-age=7");
    const headers = { "if-none-match": response.headers.get("etag") ?? "" };
    expect((await fetch(issuer.jwksUri, { headers })).status).toBe(304);
    await issuer.rotate();
    expect((await fetch(issuer.jwksUri, { headers })).status).toBe(200);
  });

  it("answers 404 elsewhere, and 405 to other methods than GET and HEAD", async () => {
    await using issuer = await serveTestIssuer();
    expect((await fetch(`${issuer.url}/other`)).status).toBe(404);
    expect((await fetch(issuer.jwksUri, { method: "POST" })).status).toBe(405);
    expect((await fetch(issuer.jwksUri, { method: "HEAD" })).status).toBe(200);
    expect([issuer.requests("jwks"), issuer.requests("openid-configuration"), issuer.requests()]).toEqual([2, 0, 3]);
  });

  it("uses up no scripted answer for a request of another method", async () => {
    await using issuer = await serveTestIssuer();
    issuer.answerNext({ status: 503 }, { endpoint: "jwks" });
    expect((await fetch(issuer.jwksUri, { method: "POST" })).status).toBe(405);
    expect((await fetch(issuer.jwksUri)).status).toBe(503);
  });

  it("holds an answer that has no body, too", async () => {
    await using issuer = await serveTestIssuer();
    const { headers } = await fetch(issuer.jwksUri);
    using held = issuer.hold({ at: "body" });
    const asked = fetch(issuer.jwksUri, { headers: { "if-none-match": headers.get("etag") ?? "" } });
    await held.reached;
    held[Symbol.dispose]();
    expect((await asked).status).toBe(304);
  });

  it("answers as scripted, each entry as often as it says, and well again after that", async () => {
    await using issuer = await serveTestIssuer();
    const before = issuer.jwks();
    await issuer.rotate();
    issuer.answerNext({ status: 503, headers: { "retry-after": "1" } }, { times: 2 });
    issuer.answerNext("empty");
    issuer.answerNext({ body: before });
    const answers: unknown[] = [];
    for (let left = 5; left > 0; left--) {
      const response = await fetch(issuer.jwksUri);
      answers.push([response.status, response.headers.get("retry-after"), await response.text()]);
    }
    expect(answers).toEqual([
      [503, "1", ""],
      [503, "1", ""],
      [200, null, '{"keys":[]}'],
      [200, null, JSON.stringify(before)],
      [200, null, JSON.stringify(issuer.jwks())],
    ]);
  });

  it("keeps an entry for the endpoint that it is for", async () => {
    await using issuer = await serveTestIssuer();
    issuer.answerNext("other-issuer", { endpoint: "openid-configuration" });
    expect((await fetch(issuer.jwksUri)).status).toBe(200);
    const metadata = await (await fetch(`${issuer.url}${DISCOVERY[0]}`)).json();
    expect(metadata).toMatchObject({ issuer: "https://other-issuer.test", jwks_uri: issuer.jwksUri });
  });

  it.each([
    ["reset", "ERR_KEYS_UNAVAILABLE"],
    ["cut", "ERR_KEYS_UNAVAILABLE"],
    ["not-modified", "ERR_KEYS_INVALID"],
    ["empty", "ERR_KEYS_INVALID"],
    ["huge", "ERR_KEYS_INVALID"],
    ["garbage", "ERR_KEYS_INVALID"],
  ] as const)("can answer in a way that no key cache accepts: %s", async (fault, code) => {
    await using issuer = await serveTestIssuer();
    using jwks = createJwks(issuer.jwksUri, { allowLoopbackHttp: true, retries: 0 });
    issuer.answerNext(fault);
    await expect(jwks.getKey({ kid: issuer.kid, alg: "ES256" })).rejects.toMatchObject({ code });
    expect(issuer.requests()).toBe(1);
  });

  it("keeps an answer back, with the keys of the time when the request came", async () => {
    await using issuer = await serveTestIssuer();
    const before = issuer.jwks();
    for (const at of ["headers", "body"] as const) {
      await issuer.rotate();
      const published = issuer.jwks();
      using held = issuer.hold({ at });
      const answer = fetch(issuer.jwksUri);
      await held.reached;
      await issuer.rotate();
      held.release();
      expect(await (await answer).json()).toEqual(published);
    }
    expect(before.keys).toHaveLength(1);
  });

  it("lets a caller's deadline pass without waiting for it", async () => {
    const clock = createManualClock();
    await using issuer = await serveTestIssuer({ clock });
    using jwks = createJwks(issuer.jwksUri, { allowLoopbackHttp: true, retries: 0, clock });
    for (const at of ["headers", "body"] as const) {
      using held = issuer.hold({ at });
      const refused = expect(jwks.refresh()).rejects.toMatchObject({ code: "ERR_KEYS_UNAVAILABLE" });
      await held.reached;
      await clock.advance(60_000);
      await refused;
    }
  });

  it("tells when a request has come", async () => {
    await using issuer = await serveTestIssuer();
    let count = 0;
    const reached = issuer.reached(2, "jwks").then(() => {
      count = issuer.requests("jwks");
    });
    await fetch(issuer.jwksUri);
    await fetch(`${issuer.url}/other`);
    await fetch(issuer.jwksUri);
    await reached;
    expect(count).toBe(2);
    await issuer.reached(3);
  });

  it("lets go of everything when it is disposed", async () => {
    const issuer = await serveTestIssuer();
    const held = issuer.hold({ at: "body" });
    const answer = fetch(issuer.jwksUri).then((response) => response.text());
    const refused = expect(answer).rejects.toThrow(TypeError);
    await held.reached;
    await issuer[Symbol.asyncDispose]();
    await refused;
    await expect(fetch(issuer.jwksUri)).rejects.toThrow(TypeError);
  });

  it("refuses options that make no sense", async () => {
    await expect(serveTestIssuer({ maxAgeSeconds: -1 })).rejects.toThrow(
      new RangeError("maxAgeSeconds must be 0 or a positive finite number, got -1"),
    );
    await using issuer = await serveTestIssuer();
    expect(() => issuer.answerNext("reset", { times: 0 })).toThrow(RangeError);
  });
});
