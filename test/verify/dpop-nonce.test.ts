import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createDpopNonces, type DpopNonces } from "../../src/verify/dpop-nonce.js";

const SECRET = new Uint8Array(32).fill(7);
// RFC 9449 section 8.1.
const NQCHARS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

describe("createDpopNonces()", () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = createManualClock(1_800_000_000_000);
  });
  function create(options: Partial<Parameters<typeof createDpopNonces>[0]> = {}): DpopNonces {
    return createDpopNonces({ secret: SECRET, lifetimeMs: 300_000, toleranceMs: 5_000, clock, ...options });
  }

  it("gives one nonce per second, in characters that a header may carry", async () => {
    const nonces = create();
    const first = nonces.issue();
    expect(first).toMatch(NQCHARS);
    await clock.advance(999);
    expect(nonces.issue()).toBe(first);
    await clock.advance(1);
    expect(nonces.issue()).not.toBe(first);
  });

  it("accepts a nonce until its lifetime and the tolerance are over", async () => {
    const nonces = create();
    const nonce = nonces.issue();
    await clock.advance(304_999);
    expect(nonces.isFresh(nonce)).toBe(true);
    await clock.advance(1);
    expect(nonces.isFresh(nonce)).toBe(false);
  });

  it("accepts the nonces of a server with the same secret, whose clock may be ahead by the tolerance", () => {
    const ahead = createManualClock(clock.nowMs() + 5_000);
    const farAhead = createManualClock(clock.nowMs() + 6_000);
    const nonces = create();
    expect(nonces.isFresh(create({ clock: ahead }).issue())).toBe(true);
    expect(nonces.isFresh(create({ clock: farAhead }).issue())).toBe(false);
  });

  it("refuses the nonces of a server with another secret", () => {
    expect(create().isFresh(create({ secret: new Uint8Array(32).fill(8) }).issue())).toBe(false);
  });

  it("refuses a nonce of which any bit is another", () => {
    const nonces = create();
    const bytes = Buffer.from(nonces.issue(), "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(nonces.isFresh(changed.toString("base64url"))).toBe(false);
    }
    expect(nonces.isFresh(bytes.toString("base64url"))).toBe(true);
  });

  it.each([undefined, null, 7, "", "x", "A".repeat(30), "A".repeat(31), "=".repeat(30), ["nonce"]])(
    "refuses %j",
    (nonce) => {
      expect(create().isFresh(nonce)).toBe(false);
    },
  );

  it("refuses another spelling of a nonce, and one with more behind it", () => {
    const nonces = create();
    const nonce = nonces.issue();
    // 22 bytes leave four bits of the last character unused.
    expect(nonces.isFresh(nonce.slice(0, -1) + String.fromCharCode(nonce.charCodeAt(29) + 1))).toBe(false);
    expect(nonces.isFresh(`${nonce}AA`)).toBe(false);
    expect(nonces.isFresh(nonce.slice(0, 28))).toBe(false);
  });
});
