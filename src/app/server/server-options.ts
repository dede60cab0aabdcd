import type { Logger } from "pino";
import { ConfigError } from "../../errors.js";
import { isLoopbackHost } from "../../lib/loopback.js";
import { assertPositive } from "../../lib/options.js";
import type { TrustedIssuer } from "../../verify/trusted-issuer.js";
import { createVerifier } from "../../verify/verifier.js";
import { CREDENTIAL_ISSUER } from "../credentials/find-key.js";

/** The first credential of a fresh service: an admin. */
export interface FirstCredential {
  readonly publicKeyPem: string;
  readonly name: string;
  /** Whom it stands for; undefined: its fingerprint. */
  readonly principalId: string | undefined;
}

/** The organisation that a fresh service starts with. */
export interface FirstOrg {
  readonly name: string;
  /** Gives the credential to record as its admin; called only when there is no organisation yet. */
  readonly admin: () => Promise<FirstCredential>;
  /** Called once the service knows the credential. */
  readonly recorded: (credentialName: string) => Promise<void>;
}

/** Where key sets are kept. */
export interface SnapshotServer {
  /** `redis://` or `rediss://` URL of a Redis server. */
  readonly redisUrl: string;
  /** What they are authenticated with, of at least 32 bytes each; the first signs, all verify. */
  readonly secrets: readonly string[];
}

/** Options of {@link startServer}. */
export interface ServerOptions {
  /** Directory of the embedded database and of the signing keys; instead of `databaseUrl`. */
  readonly dataDir?: string;
  /** Connection string of a PostgreSQL server; instead of `dataDir`. */
  readonly databaseUrl?: string;
  /** Directory of the signing keys. @defaultValue `keys` in `dataDir` */
  readonly keysDir?: string;
  /** Address to listen on; without TLS a loopback one. @defaultValue `"127.0.0.1"` */
  readonly host?: string;
  /** Port to listen on; 0: any free one. @defaultValue `8090` */
  readonly port?: number;
  /** Certificate chain and private key, PEM. @defaultValue plaintext HTTP/1.1 */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** URL that clients reach the server by; the "iss" of the tokens it issues. @defaultValue the address it listens on */
  readonly publicUrl?: string;
  /** Audience that tokens must name. @defaultValue `"latchkey"` */
  readonly audience?: string;
  /** Issuers whose tokens are accepted beside the server's own and those of credentials. @defaultValue none */
  readonly trustedIssuers?: readonly TrustedIssuer[];
  /** Keeps the key sets of other issuers over a restart, and shares them with other servers. @defaultValue none */
  readonly snapshots?: SnapshotServer;
  /** Makes an organisation and its first admin in a service that has none. */
  readonly firstOrg?: FirstOrg;
  /** `max-age` of the published keys, in seconds. @defaultValue `300` (5 minutes) */
  readonly jwksMaxAgeSeconds?: number;
  /** Shortest time the server itself trusts a key set it fetched, in seconds. @defaultValue `30` */
  readonly jwksMinTtlSeconds?: number;
  /** How long a new signing key is published before it signs, in seconds. @defaultValue twice the longer of the two above */
  readonly keyGraceSeconds?: number;
  /** Longest life of a token of the server's own issuer, in seconds. @defaultValue `3_600` (1 hour) */
  readonly tokenLifetimeSeconds?: number;
  /** How often the tokens of running streams are verified again, in seconds. @defaultValue `30` */
  readonly streamRecheckSeconds?: number;
  /** How long calls may go on after `close()` before their connections are cut, in milliseconds. @defaultValue `5_000` */
  readonly closeGraceMs?: number;
  /** Where the server writes what happens. */
  readonly log: Logger;
}

/** {@link ServerOptions} with nothing left open. */
export interface ServerSettings
  extends Omit<ServerOptions, "publicUrl" | "snapshots" | "firstOrg" | "tls" | "dataDir" | "databaseUrl"> {
  readonly storage: { readonly dataDir: string } | { readonly databaseUrl: string };
  readonly keysDir: string;
  readonly host: string;
  readonly port: number;
  readonly tls: ServerOptions["tls"];
  readonly publicUrl: string | undefined;
  readonly audience: string;
  readonly trustedIssuers: readonly TrustedIssuer[];
  readonly snapshots: SnapshotServer | undefined;
  readonly firstOrg: FirstOrg | undefined;
  readonly jwksMaxAgeSeconds: number;
  readonly jwksMinTtlSeconds: number;
  readonly keyGraceSeconds: number;
  readonly tokenLifetimeSeconds: number;
  readonly streamRecheckSeconds: number;
  readonly closeGraceMs: number;
}

const MIN_SECRET_BYTES = 32;

const DEFAULTS = {
  host: "127.0.0.1",
  port: 8090,
  audience: "latchkey",
  trustedIssuers: [],
  jwksMaxAgeSeconds: 300,
  jwksMinTtlSeconds: 30,
  tokenLifetimeSeconds: 3_600,
  streamRecheckSeconds: 30,
  closeGraceMs: 5_000,
} satisfies Partial<ServerOptions>;

/**
 * Fills in the defaults and checks what can be checked before anything is opened.
 *
 * @throws ConfigError `ERR_CONFIG_INVALID` for a combination that cannot work or is not safe.
 * @throws RangeError naming the number that is out of range.
 */
export function toServerSettings(options: ServerOptions): ServerSettings {
  const { dataDir, databaseUrl, tls, publicUrl, snapshots, firstOrg } = options;
  if ((dataDir === undefined) === (databaseUrl === undefined)) {
    throw invalid("name either a data directory or a database URL");
  }
  const keysDir = options.keysDir ?? (dataDir === undefined ? undefined : `${dataDir}/keys`);
  if (keysDir === undefined)
    throw invalid("a database URL needs a directory for the signing keys as well (--keys-dir)");
  const merged = { ...DEFAULTS, ...options };
  if (tls === undefined && !isLoopbackHost(merged.host === "::1" ? "[::1]" : merged.host)) {
    throw invalid(`without TLS only a loopback address can be listened on, not ${merged.host} (--tls-cert, --tls-key)`);
  }
  const keyGraceSeconds = options.keyGraceSeconds ?? 2 * Math.max(merged.jwksMaxAgeSeconds, merged.jwksMinTtlSeconds);
  assertPositive("jwksMaxAgeSeconds", merged.jwksMaxAgeSeconds);
  assertPositive("jwksMinTtlSeconds", merged.jwksMinTtlSeconds);
  assertPositive("tokenLifetimeSeconds", merged.tokenLifetimeSeconds);
  assertPositive("streamRecheckSeconds", merged.streamRecheckSeconds);
  assertPositive("closeGraceMs", merged.closeGraceMs);
  if (keyGraceSeconds < Math.max(merged.jwksMaxAgeSeconds, merged.jwksMinTtlSeconds)) {
    // A verifier could then meet a token before the key set that has its key.
    throw invalid("the key grace must not be shorter than the max-age and the shortest lifetime of the published keys");
  }
  assertUsable(merged.trustedIssuers);
  if (snapshots !== undefined) assertSnapshotServer(snapshots);
  const storage = dataDir === undefined ? { databaseUrl: databaseUrl ?? "" } : { dataDir };
  return { ...merged, storage, keysDir, tls, publicUrl, snapshots, firstOrg, keyGraceSeconds };
}

/** Before anything is opened: what is wrong with an issuer shows when a verifier is made of it. */
function assertUsable(issuers: readonly TrustedIssuer[]): void {
  if (issuers.length === 0) return;
  if (issuers.some(({ issuer }) => issuer === CREDENTIAL_ISSUER)) {
    throw invalid(`the issuer ${CREDENTIAL_ISSUER} is the one of credentials: no other keys can be trusted for it`);
  }
  try {
    createVerifier({ issuers, allowLoopbackHttp: true });
  } catch (cause) {
    throw invalid(`the trusted issuers cannot be used: ${cause instanceof Error ? cause.message : "unknown error"}`);
  }
}

/** Nothing of either is shown: a URL may have a password. */
function assertSnapshotServer({ redisUrl, secrets }: SnapshotServer): void {
  const protocol = URL.parse(redisUrl)?.protocol;
  if (protocol !== "redis:" && protocol !== "rediss:") {
    throw invalid("the Redis URL must begin with redis:// or rediss://");
  }
  const lengths = secrets.map((secret) => Buffer.byteLength(secret));
  if (lengths.length === 0 || Math.min(...lengths) < MIN_SECRET_BYTES) {
    throw invalid(`each snapshot secret must have at least ${MIN_SECRET_BYTES} bytes (openssl rand -base64 32)`);
  }
}

function invalid(message: string): ConfigError {
  return new ConfigError("ERR_CONFIG_INVALID", message);
}
