// The URL parser has normalised the host by then: an IPv4 address in any spelling is four decimal numbers.
const LOOPBACK_IPV4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * Tells whether a host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`. Names below `localhost` are not: who
 * answers for them depends on the resolver.
 *
 * @param hostname - The `hostname` of a parsed `URL`.
 */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || LOOPBACK_IPV4.test(hostname);
}
