import { Socket } from "node:net";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { markRequest, type RequestMarks, requestMarksKey } from "../../src/server/request-marks.js";

interface Fake {
  readonly httpVersionMajor: number;
  readonly rawHeaders: readonly string[];
  readonly headers: Record<string, string>;
  readonly socket: Socket;
}

/** A request as Node.js makes it of header lines: the first line of a name counts. */
function createRequest(httpVersionMajor: number, ...lines: readonly (readonly [string, string])[]): Fake {
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) headers[name.toLowerCase()] ??= value;
  return { httpVersionMajor, rawHeaders: lines.flat(), headers, socket: new Socket() };
}

function marksOf(request: unknown): RequestMarks | undefined {
  return markRequest(request, undefined).get(requestMarksKey);
}

describe("markRequest()", () => {
  it("leaves a plain request as it is", () => {
    const request = createRequest(1, ["Host", "a.test"], ["Authorization", "Bearer x"]);
    expect(marksOf(request)).toEqual({
      http1Socket: request.socket,
      hasBadAuthority: false,
      hasManyAuthorizations: false,
      rawHeaders: request.rawHeaders,
      clientCertificate: expect.any(Function),
    });
    expect(request.headers["host"]).toBe("a.test");
  });

  it("replaces an authority that is malformed, missing or there twice, where adapters read it", () => {
    for (const lines of [
      [["Host", "a b"]],
      [],
      [
        ["Host", "a.test"],
        ["HOST", "a.test"],
      ],
    ] as const) {
      const request = createRequest(1, ...lines);
      expect(marksOf(request)?.hasBadAuthority).toBe(true);
      expect(request.headers["host"]).toBe("invalid.invalid");
    }
    for (const lines of [
      [[":authority", "a b"]],
      [],
      [
        [":authority", "a.test"],
        ["host", "b.test"],
      ],
    ] as const) {
      const request = createRequest(2, ...lines);
      expect(marksOf(request)?.hasBadAuthority).toBe(true);
      expect(request.headers[":authority"]).toBe("invalid.invalid");
    }
  });

  it("takes a Host for the authority over HTTP/2 when it is alone or the same", () => {
    expect(marksOf(createRequest(2, ["host", "a.test"]))?.hasBadAuthority).toBe(false);
    const request = createRequest(2, [":authority", "a.test"], ["host", "a.test"]);
    expect(marksOf(request)).toEqual({
      http1Socket: undefined,
      hasBadAuthority: false,
      hasManyAuthorizations: false,
      rawHeaders: request.rawHeaders,
      clientCertificate: expect.any(Function),
    });
  });

  it("G3: notes a second Authorization line in any case", () => {
    const host = ["Host", "a.test"] as const;
    expect(marksOf(createRequest(1, host, ["authorization", "x"], ["AUTHORIZATION", "y"]))?.hasManyAuthorizations).toBe(
      true,
    );
  });

  it("finds the request of Node.js inside the one of a framework", () => {
    expect(marksOf({ raw: createRequest(1, ["Host", "a b"]) })?.hasBadAuthority).toBe(true);
  });

  it.each([undefined, null, "x", {}, { raw: {} }, new Request("http://a.test")])(
    "notes nothing of what is no request of Node.js",
    (request) => {
      expect(marksOf(request)).toBeUndefined();
    },
  );

  it("F6: reads through the application's context values and never writes to them", () => {
    const key = createContextKey("default");
    const base = createContextValues().set(key, "mine");
    const values = markRequest(createRequest(1, ["Host", "a.test"]), base);
    expect(values.get(key)).toBe("mine");
    expect(values.get(requestMarksKey)).toBeDefined();
    expect(base.get(requestMarksKey)).toBeUndefined();
  });
});
