import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  formatPageToken,
  type PagePosition,
  type PageScope,
  parsePageToken,
} from "../../../src/app/jobs/page-token.js";
import { decodeBase64url, encodeBase64url } from "../../../src/lib/base64url.js";

const key = new Uint8Array(32).fill(7);
const scope: PageScope = { org: "acme", queue: "default", state: 1 };
const position: PagePosition = { createdAtMicros: 1_763_766_000_123_456n, jobId: randomUUID() };
const REFUSED = {
  name: "JobError",
  code: "ERR_JOB_INVALID",
  message: "page_token is not one that this listing was answered with",
};

function refusalOf(token: string, of: PageScope = scope, by: Uint8Array = key): unknown {
  try {
    return parsePageToken(by, of, token);
  } catch (error) {
    return error;
  }
}

describe("formatPageToken()", () => {
  it.each([0n, 1n, -1n, 1_763_766_000_123_456n, 2n ** 63n - 1n, -(2n ** 63n)])(
    "keeps the instant %s to the microsecond, and the job",
    (createdAtMicros) => {
      const token = formatPageToken(key, scope, { ...position, createdAtMicros });
      expect(parsePageToken(key, scope, token)).toEqual({ ...position, createdAtMicros });
    },
  );

  it("M2: holds the position and nothing of whose listing it is", () => {
    const token = formatPageToken(key, scope, position);
    expect(token).toMatch(/^[\w-]{54}$/);
    const other = formatPageToken(key, { org: "globex", queue: "", state: 0 }, position);
    expect(other.slice(0, 32)).toBe(token.slice(0, 32));
  });
});

describe("parsePageToken()", () => {
  const token = formatPageToken(key, scope, position);

  it("C9: refuses a token of any length with one answer, and never fails to compare it", () => {
    for (let length = 0; length < 100; length++) {
      expect(refusalOf(encodeBase64url(new Uint8Array(length))), `${length} bytes`).toMatchObject(REFUSED);
      if (length !== token.length) expect(refusalOf(token.padEnd(length, "A").slice(0, length))).toMatchObject(REFUSED);
    }
  });

  it("C9: refuses a change of any bit, in the position or in what authenticates it, with one answer", () => {
    const bytes = decodeBase64url(token) ?? new Uint8Array();
    expect(bytes).toHaveLength(40);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(refusalOf(encodeBase64url(changed)), `bit ${bit}`).toMatchObject(REFUSED);
    }
  });

  it("M2: refuses a second spelling of the same bytes", () => {
    const last = token.charCodeAt(token.length - 1);
    for (const spelling of [
      `${token}=`,
      ` ${token}`,
      `${token}\n`,
      token.slice(0, -1) + String.fromCharCode(last + 1),
    ]) {
      expect(refusalOf(spelling)).toMatchObject(REFUSED);
    }
  });

  it("M2: refuses a token of a listing whose parts, put together, read the same", () => {
    const scopes: readonly PageScope[] = [
      { org: "a", queue: "b", state: 1 },
      { org: "ab", queue: "", state: 1 },
      { org: "", queue: "ab", state: 1 },
      { org: "a", queue: "b1", state: 1 },
      { org: "a", queue: "b", state: 11 },
      { org: 'a","b', queue: "", state: 1 },
      { org: "a", queue: 'b",1]', state: 1 },
    ];
    for (const one of scopes) {
      const own = formatPageToken(key, one, position);
      for (const other of scopes) {
        if (other === one) expect(parsePageToken(key, other, own)).toEqual(position);
        else expect(refusalOf(own, other)).toMatchObject(REFUSED);
      }
    }
  });

  it("M2: refuses a token of another database", () => {
    expect(refusalOf(token, scope, new Uint8Array(32).fill(8))).toMatchObject(REFUSED);
  });
});
