import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createValidateInterceptor } from "@connectrpc/validate";
import { createIssuerEndpoints } from "../../issuer/endpoints.js";
import { directoryKeyStore } from "../../keys/node-directory-key-store.js";
import { createServerAuth, type ServerAuth } from "../../server/server-auth.js";
import type { TrustedIssuer } from "../../verify/trusted-issuer.js";
import { type CredentialRecords, createCredentialRecords } from "../credentials/credential-records.js";
import { registerCredentialService } from "../credentials/credential-service.js";
import { CREDENTIAL_ISSUER, createFindKey } from "../credentials/find-key.js";
import type { Database } from "../database/database.js";
import { openDatabase } from "../database/open-database.js";
import { createJobs } from "../jobs/jobs.js";
import { registerJobServices } from "../jobs/register-job-services.js";
import { createFailureLog } from "./failure-log.js";
import { ensureFirstOrg } from "./first-org.js";
import { saveIssuerSettings } from "./issuer-settings.js";
import { openKeyRegistry, registerOwnIssuer, registerTrustedIssuers } from "./key-registry.js";
import { type Listener, listen } from "./listener.js";
import { createOperations } from "./operations.js";
import { openOwnIssuer } from "./own-issuer.js";
import { createResources, type Resources } from "./resources.js";
import { type ServerOptions, type ServerSettings, toServerSettings } from "./server-options.js";
import { createWebApp, type WebAppOptions } from "./web-app.js";

/** Limits for the server's own issuer, which longer settings of it raise. */
const DEFAULTS = { maxTtlMs: 60 * 60 * 1_000, maxLifetimeSeconds: 24 * 60 * 60 } as const;

/** A server that answers calls. */
export interface RunningServer {
  /** Where it is reached, such as `http://127.0.0.1:8090`. */
  readonly url: string;
  /** Takes no further calls, ends streams as `unavailable`, waits for the rest, and closes the database. */
  close(): Promise<void>;
}

/**
 * Starts the job service: RPC behind verified tokens, its own issuer with published keys, health endpoints.
 *
 * It trusts two issuers: itself, by the key set it publishes, fetched over HTTP as any other service would; and the
 * credentials on its record, which sign their own tokens. `trustedIssuers` adds others.
 *
 * Everything is opened in the order of what may fail without a trace: the port and the signing keys before the data
 * directory, that before anything is written. Rejects with {@link ConfigError} (one line each), and then nothing is left open.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const settings = toServerSettings(options);
  // Disposed in reverse order, both when starting fails half-way and when the server closes.
  const resources = createResources();
  try {
    return await start(settings, resources);
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(settings: ServerSettings, resources: Resources): Promise<RunningServer> {
  const { audience, keysDir, log } = settings;
  const listener = await openListener(settings, resources);
  // Only read: keys that cannot be used must show before anything is written.
  await directoryKeyStore(keysDir).load();
  const database = await openDatabase(settings.storage);
  resources.defer(() => database.close());

  const shutdown = new AbortController();
  let auth: ServerAuth | undefined;
  const records = await createCredentialRecords({
    database,
    onChange: (fingerprint) => auth?.forgetKey(CREDENTIAL_ISSUER, fingerprint),
  });
  resources.use(records);
  if (settings.firstOrg !== undefined) await ensureFirstOrg(records, settings.firstOrg);
  const jobs = await createJobs({
    database,
    onError: (error) => log.warn({ err: error }, "work on jobs in the background failed; it is tried again"),
  });
  resources.use(jobs);

  const issuer = settings.publicUrl ?? listener.url;
  const own = openOwnIssuer(keysDir, { ...settings, issuer }, (error) => {
    log.warn({ err: error }, "the signing keys cannot be read again; going on with those known");
  });
  resources.use(own);
  // Makes the first key when there is none, so that trouble with the directory shows now.
  await own.keyRing.signingKey();
  await saveIssuerSettings(keysDir, { ...settings, issuer });

  const beside: WebAppOptions = {
    issuerEndpoints: createIssuerEndpoints({
      issuer,
      keyRing: own.keyRing,
      maxAgeSeconds: settings.jwksMaxAgeSeconds,
    }),
    isReady: async () => !shutdown.signal.aborted && (await isAlive(database)),
    onError: (error) => log.error({ err: error }, "a request beside the calls failed"),
  };
  const keysUrl = await openKeysUrl(settings, listener, createWebApp(beside), resources);
  const registry = await openKeyRegistry({ ...settings, issuer }, resources);
  const trustedIssuers = registerTrustedIssuers(registry, settings.trustedIssuers, log);
  // Before calls come, so that those after a restart need not wait for other issuers. Their absence keeps nothing up.
  await registry.restore();
  auth = createAuth(settings, {
    own: registerOwnIssuer(registry, ownTrust(settings, issuer, keysUrl)),
    trustedIssuers,
    records,
  });
  resources.use(auth);

  listener.use(
    connectNodeAdapter(
      auth.protect({
        routes(router) {
          registerJobServices(router, { jobs, shutdownSignal: shutdown.signal });
          registerCredentialService(router, records);
        },
        // Behind authentication: who may not call learns nothing about what a good request looks like.
        interceptors: [createFailureLog(log), createValidateInterceptor()],
        shutdownSignal: shutdown.signal,
        fallback: createWebApp({ ...beside, jwksAdmin: createOperations({ registry, auth, issuer, log }) }),
      }),
    ),
  );
  log.info({ url: listener.url, issuer, audience }, "serving");
  let closing: Promise<void> | undefined;
  return {
    url: listener.url,
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    log.info({}, "stopping");
    shutdown.abort(new ConnectError("the server is shutting down", Code.Unavailable));
    await listener.close(settings.closeGraceMs);
    await resources[Symbol.asyncDispose]();
    log.info({}, "stopped");
  }
}

async function openListener(settings: ServerSettings, resources: Resources): Promise<Listener> {
  const { host, port, tls } = settings;
  const listener = await listen({ host, port, tls });
  resources.defer(() => listener.close(0));
  return listener;
}

/** Gives the URL at which this process fetches its own key set. */
async function openKeysUrl(
  settings: ServerSettings,
  listener: Listener,
  web: ReturnType<typeof createWebApp>,
  resources: Resources,
): Promise<string> {
  const path = "/.well-known/jwks.json";
  if (settings.tls === undefined) return listener.url + path;
  // The certificate names the public host, which may lead elsewhere than to this process, and may be signed by an
  // authority that this process does not know: what is public anyway is served once more, to this machine only.
  const inner = await openListener({ ...settings, host: "127.0.0.1", port: 0, tls: undefined }, resources);
  inner.use(web);
  return inner.url + path;
}

function ownTrust(settings: ServerSettings, issuer: string, keysUrl: string): TrustedIssuer {
  const minTtlMs = settings.jwksMinTtlSeconds * 1_000;
  return {
    issuer,
    audience: settings.audience,
    algorithms: ["ES256"],
    jwksUri: keysUrl,
    jwksOptions: { minTtlMs, maxTtlMs: Math.max(minTtlMs, DEFAULTS.maxTtlMs) },
    maxLifetimeSeconds: Math.max(settings.tokenLifetimeSeconds, DEFAULTS.maxLifetimeSeconds),
  };
}

function createAuth(
  { audience, streamRecheckSeconds, log }: ServerSettings,
  trust: {
    readonly own: TrustedIssuer;
    readonly trustedIssuers: readonly TrustedIssuer[];
    readonly records: CredentialRecords;
  },
): ServerAuth {
  return createServerAuth({
    issuers: [
      trust.own,
      {
        issuer: CREDENTIAL_ISSUER,
        audience,
        algorithms: ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"],
        findKey: createFindKey(trust.records),
      },
      ...trust.trustedIssuers,
    ],
    // How long streams outlive the revocation of the credential they were opened with.
    streams: { recheckMs: streamRecheckSeconds * 1_000 },
    onEvent: (event) => log.info(event, "call refused"),
  });
}

async function isAlive(database: Database): Promise<boolean> {
  try {
    await database.query("SELECT 1");
    return true;
  } catch {
    return false;
  }
}
