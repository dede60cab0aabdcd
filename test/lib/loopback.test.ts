import { describe, expect, it } from "vitest";
import { isLoopbackHost } from "../../src/lib/loopback.js";

const hostOf = (url: string): string => new URL(url).hostname;

describe("isLoopbackHost()", () => {
  it.each([
    "http://localhost:80",
    "http://LOCALHOST",
    "http://127.0.0.1",
    "http://127.1",
    "http://0x7f.1",
    "http://127.255.0.9",
    "http://[::1]:1",
  ])("takes %s for this machine", (url) => {
    expect(isLoopbackHost(hostOf(url))).toBe(true);
  });

  it.each([
    "http://localhost.example",
    "http://evil.localhost",
    "http://localhost./",
    "http://127.0.0.1.example",
    "http://128.0.0.1",
    "http://0.0.0.0",
    "http://[::ffff:127.0.0.1]",
    "http://localhost@evil.example",
  ])("takes %s for another machine", (url) => {
    expect(isLoopbackHost(hostOf(url))).toBe(false);
  });
});
