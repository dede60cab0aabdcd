import { describe, expect, it } from "vitest";
import { isPrivateAddress } from "../../src/jwks/node-private-address.js";

describe("isPrivateAddress()", () => {
  it.each([
    ["unspecified", "0.0.0.0"],
    ["this network", "0.1.2.3"],
    ["private", "10.0.0.1"],
    ["shared, of a carrier", "100.64.0.1"],
    ["shared, where Alibaba answers for metadata", "100.100.100.200"],
    ["the last shared one", "100.127.255.255"],
    ["loopback", "127.0.0.1"],
    ["loopback further on", "127.255.255.254"],
    ["link-local", "169.254.0.1"],
    ["metadata", "169.254.169.254"],
    ["private", "172.16.0.1"],
    ["the last private one of its block", "172.31.255.255"],
    ["protocol assignments, where Oracle answers for metadata", "192.0.0.192"],
    ["documentation", "192.0.2.1"],
    ["6to4 relays", "192.88.99.1"],
    ["private", "192.168.1.1"],
    ["benchmarks", "198.19.255.255"],
    ["documentation", "198.51.100.1"],
    ["documentation", "203.0.113.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["where Azure answers for metadata", "168.63.129.16"],
    ["unspecified", "::"],
    ["loopback", "::1"],
    ["compatible", "::8.8.8.8"],
    ["unique local", "fc00::1"],
    ["unique local, where AWS answers for metadata", "fd00:ec2::254"],
    ["link-local", "fe80::1"],
    ["link-local with a zone", "fe80::1%eth0"],
    ["site-local", "fec0::1"],
    ["multicast", "ff02::1"],
    ["discard-only", "100::1"],
    ["segment routing", "5f00::1"],
    ["Teredo", "2001:0:808:808::1"],
    ["benchmarks", "2001:2::1"],
    ["ORCHID", "2001:20::1"],
    ["documentation", "2001:db8::1"],
    ["documentation", "3fff::1"],
    ["mapped loopback", "::ffff:127.0.0.1"],
    ["mapped loopback in hexadecimal", "::ffff:7f00:1"],
    ["mapped loopback in full", "0:0:0:0:0:ffff:7f00:0001"],
    ["mapped private", "::FFFF:10.1.2.3"],
    ["mapped metadata", "::ffff:a9fe:a9fe"],
    ["NAT64 to loopback", "64:ff9b::127.0.0.1"],
    ["NAT64 to private", "64:ff9b::c0a8:101"],
    ["NAT64 of a network's own", "64:ff9b:1::808:808"],
    ["6to4 to loopback", "2002:7f00:1::1"],
    ["6to4 to private", "2002:0a00:0001::"],
    ["translated", "::ffff:0:127.0.0.1"],
  ])("H10: says so of %s: %s", (_name, address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "168.63.129.17",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "2001:200::1",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
  ])("H10: does not say so of %s", (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });

  it.each(["", "localhost", "0x7f.1", "127.1", "2130706433", "[::1]", "8.8.8.8 ", "8.8.8.8.8", "08.8.8.8", "::g"])(
    "H10: takes %j, which is no address, for a private one",
    (text) => {
      expect(isPrivateAddress(text)).toBe(true);
    },
  );
});
