import { lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { TLSSocket } from "node:tls";
import type { Agent, buildConnector } from "undici";
import { ConfigError } from "../errors.js";
import { isLoopbackHost } from "../lib/loopback.js";
import { assertBoolean, assertFields, assertFunction, type FieldsOf } from "../lib/options.js";
import type { JwksFetch } from "./jwks-options.js";
import { parseAuthorities } from "./node-authorities.js";
import { isPrivateAddress } from "./node-private-address.js";
import { createPublicLookup } from "./node-public-lookup.js";
import { hasPinnedKey, parseSpkiPins, type SpkiPins } from "./node-spki-pins.js";

/** Options of {@link pinnedFetch}: at least one of `spki`, `ca` and `refusePrivateAddresses`. */
export interface PinnedFetchOptions {
  /**
   * Pins: the base64 of the SHA-256 hash of a SubjectPublicKeyInfo. The key of the server's own certificate counts, and
   * that of each authority on the path up from it. One pin has to match. At least two different ones, so that the
   * server can change to a key that is kept ready. @defaultValue any key
   */
  readonly spki?: readonly string[];
  /** Permits a single pin. Should its key be lost, the issuer is out of reach until the pin is changed. @defaultValue `false` */
  readonly allowMissingBackupPin?: boolean;
  /** Certificates of the only authorities to trust, in PEM form, in place of those of the system. @defaultValue the system's */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /**
   * Refuses a host that is at, or resolves to, an address of this machine, of a private network, of a cloud's metadata
   * service or of another special purpose. The connection goes to the very address that was looked at. @defaultValue `false`
   */
  readonly refusePrivateAddresses?: boolean;
  /** Resolves host names, once per connection. @defaultValue `dns.lookup` */
  readonly lookup?: LookupFunction;
}

/** A `fetch` with connections of its own. Disposing it closes them, and ends what is under way. */
export interface PinnedFetch extends JwksFetch, AsyncDisposable {
  /** Tells at start that a host will never be asked; see {@link JwksFetch}. */
  assertHost(hostname: string): void;
}

const FIELDS: FieldsOf<PinnedFetchOptions> = {
  spki: true,
  allowMissingBackupPin: true,
  ca: true,
  refusePrivateAddresses: true,
  lookup: true,
};
const UNDICI = "undici@^7.30.0";

/**
 * Creates a `fetch` that connects only to servers with a pinned key, a given authority or a public address.
 *
 * Pins come in addition to what TLS checks anyway: the certificate must be trusted, in time and of the host, also where
 * `NODE_TLS_REJECT_UNAUTHORIZED` is 0. They are looked at in each new connection before a byte of HTTP is sent, and no
 * TLS session is resumed, which would skip them. A pin of an authority survives a new certificate of the server; a pin
 * of the server's key survives a change of authority. This prints the pin of a certificate:
 *
 * `openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`
 *
 * Sends over `https:` only. Each call of this function makes connections of its own, which no change of pins survives:
 * dispose the one before. Needs the package `undici`; proxies from the environment are not used.
 *
 * A request rejects as one of the global `fetch` does, with the refusal as `cause`; with a `TypeError` for another scheme
 * than `https:`; with {@link ConfigError} `ERR_DEPENDENCY_MISSING` without `undici`.
 *
 * Spec: RFC 7469 section 2.4 (pins), RFC 5280 section 4.1.2.7 (SubjectPublicKeyInfo), RFC 6890 (special addresses).
 *
 * @example
 * ```ts
 * import { createJwks } from "latchkey/jwks";
 * import { pinnedFetch } from "latchkey/node";
 *
 * const inUse = "jPAsEVr95xMpXUyLZzs7v9UG5T4TcOZ2Od0Ch9FEPb4=";
 * const keptReady = "CTCb5BKxFQj3z5jsoSJs8UKP1CO7UfCWBrlPjE9n0WU=";
 *
 * const jwks = createJwks("https://idp.example/jwks.json", { fetch: pinnedFetch({ spki: [inUse, keptReady] }) });
 * ```
 *
 * @param options - What a server must have; every field may be left out, not all of them.
 * @returns A `fetch` for the `fetch` option of `createJwks`. Several may share it.
 * @throws TypeError naming the field that is unknown or cannot be used.
 */
export function pinnedFetch(options: PinnedFetchOptions): PinnedFetch {
  const { pins, ca, lookup, refusePrivateAddresses } = readOptions(options);
  const disposal = new AbortController();
  let agent: Agent | undefined;

  const connect = (open: buildConnector.connector): buildConnector.connector => {
    return (target, callback) => {
      // An address is not looked up, so that no look-up refuses it.
      if (refusePrivateAddresses && isIP(target.hostname) !== 0 && isPrivateAddress(target.hostname)) {
        callback(new Error("The address is not a public one"), null);
        return;
      }
      open(target, (...[error, socket]) => {
        if (error !== null) {
          callback(error, null);
        } else if (pins === undefined || (socket instanceof TLSSocket && hasPinnedKey(socket, pins))) {
          callback(null, socket);
        } else {
          socket.destroy();
          callback(new Error("No key on the path of the server's certificate is pinned"), null);
        }
      });
    };
  };

  const createAgent = ({ Agent, buildConnector }: Undici): Agent => {
    const open = buildConnector({
      ...(ca !== undefined && { ca: [...ca] }),
      lookup,
      // Said here, for NODE_TLS_REJECT_UNAUTHORIZED changes the default.
      rejectUnauthorized: true,
      // A resumed session skips the checks of the certificate.
      maxCachedSessions: 0,
      // Reaches sockets that are still connecting, which the agent does not know of.
      signal: disposal.signal,
    });
    return new Agent({ connect: connect(open) });
  };

  const send = async (url: string, init: RequestInit): Promise<Response> => {
    disposal.signal.throwIfAborted();
    if (URL.parse(url)?.protocol !== "https:") throw new TypeError("A pinned fetch sends over https: only");
    const undici = await loadUndici();
    disposal.signal.throwIfAborted();
    agent ??= createAgent(undici);
    return (undici.fetch as unknown as DispatchedFetch)(url, { ...init, dispatcher: agent });
  };

  return Object.assign(send, {
    assertHost(hostname: string) {
      const address = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
      if (!refusePrivateAddresses) return;
      if (isLoopbackHost(hostname) || (isIP(address) !== 0 && isPrivateAddress(address))) {
        throw new TypeError("The host is not at a public address, and refusePrivateAddresses is set");
      }
    },
    async [Symbol.asyncDispose]() {
      const reason = new Error("The pinned fetch is disposed");
      const destroyed = agent?.destroy(reason);
      disposal.abort(reason);
      await destroyed;
    },
  });
}

interface Settings {
  readonly pins: SpkiPins | undefined;
  readonly ca: readonly string[] | undefined;
  readonly lookup: LookupFunction;
  readonly refusePrivateAddresses: boolean;
}

function readOptions(options: PinnedFetchOptions): Settings {
  assertFields("options", options, FIELDS);
  const { spki, ca, allowMissingBackupPin = false, refusePrivateAddresses = false, lookup = systemLookup } = options;
  assertBoolean("options.allowMissingBackupPin", allowMissingBackupPin);
  assertBoolean("options.refusePrivateAddresses", refusePrivateAddresses);
  assertFunction("options.lookup", lookup);
  if (spki === undefined && ca === undefined && !refusePrivateAddresses) {
    throw new TypeError("options must have at least one of spki, ca and refusePrivateAddresses");
  }
  return {
    pins: spki === undefined ? undefined : parseSpkiPins(spki, "options.spki", allowMissingBackupPin ? 1 : 2),
    ca: ca === undefined ? undefined : parseAuthorities(ca, "options.ca"),
    lookup: refusePrivateAddresses ? createPublicLookup(lookup) : lookup,
    refusePrivateAddresses,
  };
}

type Undici = typeof import("undici");
// As the global `fetch` is declared: the two differ in their declarations alone.
type DispatchedFetch = (url: string, init: RequestInit & { readonly dispatcher: Agent }) => Promise<Response>;

async function loadUndici(): Promise<Undici> {
  try {
    return await import("undici");
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing) throw cause;
    const message = `this needs the package undici: npm install ${UNDICI}`;
    throw new ConfigError("ERR_DEPENDENCY_MISSING", message, { cause });
  }
}
