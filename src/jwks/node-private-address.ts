import { BlockList, isIPv4, isIPv6 } from "node:net";

// IANA IPv4 Special-Purpose Address Registry, multicast and the reserved rest; the last one is where Azure answers its
// machines for metadata and secrets.
const PRIVATE_IPV4 = createBlockList("ipv4", [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "168.63.129.16/32",
]);

// All that is given out for use on the internet, and what of it serves another purpose: RFC 4291 section 2.4 and the
// IANA IPv6 Special-Purpose Address Registry.
const GLOBAL_IPV6 = createBlockList("ipv6", ["2000::/3"]);
const PRIVATE_IPV6 = createBlockList("ipv6", ["2001::/23", "2001:db8::/32", "3fff::/20"]);

/**
 * Tells whether an address is anything but a public one of a single machine: loopback, private, link-local, shared,
 * multicast, reserved, for documentation or benchmarks, or of a cloud's metadata service.
 *
 * An IPv6 address that stands for an IPv4 address (mapped, NAT64, 6to4) is judged as that one. A text that is no address
 * counts as private.
 *
 * Spec: RFC 6890, RFC 4291, RFC 6052 section 2.1, RFC 3056 section 2.
 *
 * @param address - An IPv4 or IPv6 address, without brackets.
 */
export function isPrivateAddress(address: string): boolean {
  if (isIPv4(address)) return PRIVATE_IPV4.check(address, "ipv4");
  // One with a zone is of a link.
  if (!isIPv6(address) || address.includes("%")) return true;
  const embedded = findEmbeddedIpv4(toGroups(address));
  if (embedded !== undefined) return PRIVATE_IPV4.check(embedded, "ipv4");
  return !GLOBAL_IPV6.check(address, "ipv6") || PRIVATE_IPV6.check(address, "ipv6");
}

function findEmbeddedIpv4(groups: readonly number[]): string | undefined {
  const startsWith = (...prefix: readonly number[]): boolean => prefix.every((group, index) => groups[index] === group);
  if (startsWith(0, 0, 0, 0, 0, 0xffff) || startsWith(0x64, 0xff9b, 0, 0, 0, 0)) return toIpv4(groups[6], groups[7]);
  return startsWith(0x2002) ? toIpv4(groups[1], groups[2]) : undefined;
}

function toIpv4(high = 0, low = 0): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

/** The eight numbers of an IPv6 address. The URL parser writes it without an IPv4 part, in hexadecimal alone. */
function toGroups(address: string): readonly number[] {
  const [head = "", tail = ""] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const [first, last] = [head, tail].map((part) => (part === "" ? [] : part.split(":")));
  const zeros = new Array<string>(8 - (first?.length ?? 0) - (last?.length ?? 0)).fill("0");
  return [...(first ?? []), ...zeros, ...(last ?? [])].map((group) => Number.parseInt(group, 16));
}

function createBlockList(family: "ipv4" | "ipv6", subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [net = "", bits = ""] = subnet.split("/");
    list.addSubnet(net, Number(bits), family);
  }
  return list;
}
