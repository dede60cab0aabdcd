import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { hasPinnedKey, parseSpkiPins } from "../../src/jwks/node-spki-pins.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { type Authority, type Certified, createAuthority, createKeyPair } from "../support/tls-authority.js";

const HOSTS = ["127.0.0.1"];
const DAY_MS = 24 * 60 * 60 * 1_000;
const pinOf = (text: string): string => Buffer.alloc(32, text).toString("base64");

describe("parseSpkiPins()", () => {
  it("reads different pins, each once", () => {
    expect([...parseSpkiPins([pinOf("a"), pinOf("b"), pinOf("a")], "options.spki", 2)]).toEqual([
      pinOf("a"),
      pinOf("b"),
    ]);
    expect(parseSpkiPins([pinOf("a")], "options.spki", 1).size).toBe(1);
  });

  it.each([
    ["text", "options.spki must be an array of strings, got string"],
    [[], "options.spki must not be empty"],
    [[pinOf("a"), ""], "options.spki[1] must not be empty"],
    [[pinOf("a"), 7], "options.spki[1] must be a string, got number"],
    [[pinOf("a"), "not base64"], "options.spki[1] must be the base64 of a SHA-256 hash"],
    [[`sha256/${pinOf("a")}`], "options.spki[0] must be the base64"],
    [[pinOf("a").slice(0, -1)], "options.spki[0] must be the base64"],
    [[`${pinOf("a")}\n`], "options.spki[0] must be the base64"],
    [[Buffer.alloc(31).toString("base64")], "options.spki[0] must be the base64"],
    [[Buffer.alloc(33).toString("base64")], "options.spki[0] must be the base64"],
    [[Buffer.alloc(32, 0xff).toString("base64url")], "options.spki[0] must be the base64"],
    [[`${"A".repeat(42)}B=`], "options.spki[0] must be the base64"],
    [["a".repeat(64)], "options.spki[0] must be the base64"],
    [[pinOf("a")], "options.spki must hold 2 different pins"],
    [[pinOf("a"), pinOf("a")], "options.spki must hold 2 different pins"],
  ])("I6: refuses %o", (list, message) => {
    const parse = (): unknown => parseSpkiPins(list as readonly string[], "options.spki", 2);
    expect(parse).toThrow(TypeError);
    expect(parse).toThrow(message);
  });
});

describe("hasPinnedKey()", () => {
  let server: JwksServer | undefined;
  let socket: TLSSocket | undefined;
  const hangUp = async (): Promise<void> => {
    socket?.destroy();
    await server?.[Symbol.asyncDispose]();
  };
  afterEach(hangUp);

  /** Connects as a client that trusts `trusted` does, to a server that shows `own` and sends `others` along. */
  async function isPinned(
    { own, others = [], trusted }: { own: Certified; others?: readonly Certified[]; trusted: readonly Certified[] },
    ...pinned: readonly Certified[]
  ): Promise<boolean> {
    const cert = [own, ...others].map((certified) => certified.cert).join("");
    await hangUp();
    server = await startJwksServer({}, { cert, key: own.key });
    socket = connect({
      host: "127.0.0.1",
      port: Number(new URL(server.url).port),
      ca: trusted.map(({ cert: pem }) => pem),
    });
    await once(socket, "secureConnect");
    expect(socket.authorized).toBe(true);
    return hasPinnedKey(socket, new Set(pinned.map(({ pin }) => pin)));
  }

  it("I4: finds the key of the server and of each authority above it, also of one that is not sent along", async () => {
    const root = createAuthority();
    const middle = root.delegate({});
    const own = middle.certify({ hosts: HOSTS });
    const shown = { own, others: [middle], trusted: [root] };
    expect(await isPinned(shown, own)).toBe(true);
    expect(await isPinned(shown, middle)).toBe(true);
    expect(await isPinned(shown, root)).toBe(true);
    expect(await isPinned(shown, createAuthority(), own)).toBe(true);
    expect(await isPinned(shown, createAuthority(), middle.certify({}))).toBe(false);
    expect(await isPinned(shown)).toBe(false);
  });

  it("I4: finds the key of an authority under a renewed certificate", async () => {
    const root = createAuthority();
    const renewed = createAuthority({ subject: root.subject, keys: root.keys });
    expect(await isPinned({ own: root.certify({ hosts: HOSTS }), trusted: [renewed] }, root)).toBe(true);
  });

  it("I4: gives nothing for certificates that only stand beside the path", async () => {
    const [pinned, other] = [createAuthority(), createAuthority()];
    const own = other.certify({ hosts: HOSTS });
    for (const others of [[pinned], [other, pinned], [pinned, other], [pinned.certify({}), pinned]]) {
      expect(await isPinned({ own, others, trusted: [pinned, other] }, pinned)).toBe(false);
    }
  });

  it("I4: gives nothing for a certificate that bears the issuer's name and the pinned key", async () => {
    const [pinned, other] = [createAuthority(), createAuthority()];
    const forged = createAuthority({ subject: other.subject, keys: pinned.keys });
    const own = other.certify({ hosts: HOSTS });
    expect(await isPinned({ own, others: [forged], trusted: [pinned, other] }, pinned)).toBe(false);
  });

  /** A trusted authority whose key `pinned` has certified too: `content` says as what. */
  async function isPinnedBeside(pinned: Authority, content: Parameters<Authority["certify"]>[0]): Promise<boolean> {
    const keys = createKeyPair();
    const other = createAuthority({ keys });
    const crossing = pinned.certify({ ...content, subject: other.subject, keys });
    const own = other.certify({ hosts: HOSTS });
    return isPinned({ own, others: [crossing, pinned], trusted: [pinned, other] }, pinned);
  }

  it("I4: goes up through an authority that the pinned one vouches for", async () => {
    expect(await isPinnedBeside(createAuthority(), { isAuthority: true })).toBe(true);
  });

  it("I4: gives nothing for what was issued with the key of a certificate that is none of an authority", async () => {
    expect(await isPinnedBeside(createAuthority(), { isAuthority: false })).toBe(false);
  });

  it("I4: gives nothing for an authority whose certificate is over, or not valid yet", async () => {
    const content = { isAuthority: true };
    const [before, after] = [Date.now() - DAY_MS, Date.now() + DAY_MS];
    expect(
      await isPinnedBeside(createAuthority(), { ...content, notBeforeMs: before - DAY_MS, notAfterMs: before }),
    ).toBe(false);
    expect(
      await isPinnedBeside(createAuthority(), { ...content, notBeforeMs: after, notAfterMs: after + DAY_MS }),
    ).toBe(false);
  });

  it("gives up on a path without end", async () => {
    const root = createAuthority();
    const path = [root];
    for (let length = 1; length < 12; length++) path.unshift((path[0] ?? root).delegate({}));
    const [lowest = root, ...above] = path;
    const shown = { own: lowest.certify({ hosts: HOSTS }), others: [lowest, ...above], trusted: [root] };
    expect(await isPinned(shown, above[3] ?? root)).toBe(true);
    expect(await isPinned(shown, root)).toBe(false);
  });

  it("I4: gives nothing for a connection that has ended meanwhile", async () => {
    const root = createAuthority();
    const own = root.certify({ hosts: HOSTS });
    expect(await isPinned({ own, trusted: [root] }, own)).toBe(true);
    socket?.destroy();
    expect(socket && hasPinnedKey(socket, new Set([own.pin]))).toBe(false);
  });
});
