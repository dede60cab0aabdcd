import { generateKeyPairSync, randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import type { JwksSnapshot } from "../../src/jwks/jwks-snapshot.js";
import { createSnapshotCodec, type SnapshotBinding } from "../../src/jwks/snapshot-codec.js";

const FIELD = "options.snapshots.secret";
const MAX_BODY_BYTES = 512 * 1_024;
const KIDS = ["2026-10", "2026-11"];

const binding: SnapshotBinding = {
  tenantId: "acme",
  providerId: "main",
  issuer: "https://idp.example",
  url: "https://idp.example/jwks.json?api-key=hush",
};
const secret = randomBytes(32);
const codec = createSnapshotCodec(secret, FIELD);
const open = (text: unknown, of = binding): Promise<JwksSnapshot | undefined> => codec.open(text, of, MAX_BODY_BYTES);

describe("createSnapshotCodec()", () => {
  let snapshot: JwksSnapshot;
  let text: string;

  beforeAll(async () => {
    snapshot = {
      url: binding.url,
      keys: KIDS.map((kid) => {
        const { x = "", y = "" } = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({
          format: "jwk",
        });
        return { kid, kty: "EC", crv: "P-256", x, y, alg: "ES256" };
      }),
      etag: '"v1"',
      lastModified: "Sun, 01 Nov 2026 10:00:00 GMT",
      fetchedAtMs: 1_793_527_200_000,
      ttlMs: 600_000,
    };
    text = await codec.seal(snapshot, binding);
  });

  it("gives back what was sealed, with and without validators and issuer", async () => {
    expect(await open(text)).toEqual(snapshot);
    const { etag, lastModified, ...bare } = snapshot;
    const nameless = { ...binding, issuer: undefined };
    expect(await open(await codec.seal(bare, nameless), nameless)).toEqual(bare);
  });

  it("says in the text whose keys it holds and in which version, and leaves the query of the URL out", () => {
    expect(JSON.parse(text.split("\n")[0] ?? "")).toEqual({
      format: "latchkey-jwks-snapshot",
      version: 1,
      tenantId: "acme",
      providerId: "main",
      issuer: "https://idp.example",
      url: "https://idp.example/jwks.json",
    });
    expect(text).not.toContain("hush");
    expect(text).not.toContain(secret.toString("base64url"));
  });

  it("I1: refuses a text of which one bit, character or part is changed, at every position", async () => {
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      const flipped = Array.from({ length: 16 }, (_, bit) => String.fromCharCode(code ^ (1 << bit)));
      const changed = flipped.map((character) => text.slice(0, at) + character + text.slice(at + 1));
      changed.push(text.slice(0, at) + text.slice(at + 1), `${text.slice(0, at)} ${text.slice(at)}`, text.slice(0, at));
      const opened = await Promise.all(changed.map((one) => open(one)));
      expect(opened.every((one) => one === undefined)).toBe(true);
    }
    expect(await open(`${text}\n`)).toBeUndefined();
  });

  it.each([
    ["tenant", { tenantId: "evil" }],
    ["provider", { providerId: "other" }],
    ["issuer", { issuer: "https://evil.example" }],
    ["no issuer", { issuer: undefined }],
    ["URL", { url: "https://evil.example/jwks.json?api-key=hush" }],
    ["path", { url: "https://idp.example/other.json?api-key=hush" }],
    ["query", { url: "https://idp.example/jwks.json?api-key=hash" }],
  ])("I1: refuses keys of another %s, also under a head that was replaced", async (_, other) => {
    const mine = { ...binding, ...other };
    expect(await open(text, mine)).toBeUndefined();
    const [, mac, body] = text.split("\n");
    const [head] = (await codec.seal({ ...snapshot, url: mine.url }, mine)).split("\n");
    expect(await open([head, mac, body].join("\n"), mine)).toBeUndefined();
  });

  it("I1: tells apart ids that only look alike when they are joined", async () => {
    const sealed = await codec.seal(snapshot, { ...binding, tenantId: 'a","providerId":"b', providerId: "c" });
    expect(await open(sealed, { ...binding, tenantId: "a", providerId: 'b","providerId":"c' })).toBeUndefined();
  });

  it("I1: refuses keys planted without a MAC, with an empty one, or with the MAC of another secret", async () => {
    const planted = await createSnapshotCodec(randomBytes(32), FIELD).seal(snapshot, binding);
    expect(await open(planted)).toBeUndefined();
    const [head, , body] = text.split("\n");
    for (const mac of ["", "A".repeat(43), "=".repeat(43)]) {
      expect(await open(`${head}\n${mac}\n${body}`)).toBeUndefined();
    }
    expect(await open(`${head}\n${body}`)).toBeUndefined();
    expect(await open(body)).toBeUndefined();
  });

  it("I1: refuses another version, under whatever MAC", async () => {
    expect(await open(text.replace('"version":1', '"version":2'))).toBeUndefined();
  });

  it("I1: refuses characters that no text has, though they are encoded as those that were sealed", async () => {
    const sealed = await codec.seal({ ...snapshot, lastModified: "\ufffd" }, binding);
    expect(await open(sealed)).toMatchObject({ lastModified: "\ufffd" });
    expect(await open(sealed.replace("\ufffd", "\ud800"))).toBeUndefined();
  });

  it("I1: refuses 50 MB unread, and what is longer than an answer can be", async () => {
    const [head = "", mac = ""] = text.split("\n");
    const huge = `${head}\n${mac}\n${" ".repeat(50 * 1_024 * 1_024)}`;
    expect(await open(huge)).toBeUndefined();
    const padded = { ...snapshot, etag: "x".repeat(8_192) };
    const sealed = await codec.seal(padded, binding);
    expect(await codec.open(sealed, binding, 8_192)).toEqual(padded);
    expect(await codec.open(sealed, binding, 1_024)).toBeUndefined();
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a number", 1],
    ["an object", { toString: () => "" }],
    ["an array of one text", ["text"]],
    ["bytes", new Uint8Array(64)],
    ["no text", ""],
    ["another text", "undefined"],
    ["line breaks", "\n\n"],
  ])("I1: refuses %s", async (_, garbage) => {
    expect(await open(Array.isArray(garbage) ? [text] : garbage)).toBeUndefined();
  });

  it.each<[string, object]>([
    ["no array of keys", { keys: { length: 0 } }],
    ["a null key", { keys: [null] }],
    ["a private key", { keys: [{ kid: "a", kty: "EC", crv: "P-256", x: "x", y: "y", d: "d" }] }],
    ["a symmetric key", { keys: [{ kid: "a", kty: "oct", k: "k" }] }],
    ["an instant of another type", { fetchedAtMs: "0" }],
    ["an instant that is no number", { fetchedAtMs: Number.NaN }],
    ["an endless life", { ttlMs: Number.POSITIVE_INFINITY }],
  ])("A15, I1: refuses %s, though it is authentic", async (_, content) => {
    expect(await open(await codec.seal({ ...snapshot, ...content }, binding))).toBeUndefined();
  });

  it("drops validators of another type, and what it does not know", async () => {
    const odd: object = { etag: 1, lastModified: null, ["__proto__"]: { url: "https://evil.example" }, more: 1 };
    const { etag, lastModified, ...bare } = snapshot;
    expect(await open(await codec.seal({ ...snapshot, ...odd }, binding))).toEqual(bare);
  });

  it("signs with the first secret and accepts each, so that one can be replaced", async () => {
    const next = "n".repeat(32);
    const both = createSnapshotCodec([next, secret], FIELD);
    expect(await both.open(text, binding, MAX_BODY_BYTES)).toEqual(snapshot);
    const renewed = await both.seal(snapshot, binding);
    expect(await open(renewed)).toBeUndefined();
    expect(await createSnapshotCodec(next, FIELD).open(renewed, binding, MAX_BODY_BYTES)).toEqual(snapshot);
  });
});
