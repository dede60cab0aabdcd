import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { JobEventService, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { bearerAuth } from "../../client/bearer-auth.js";
import { type CachedTokenSource, cachedTokens } from "../../client/cached-tokens.js";
import { signedJwt } from "../../client/signed-jwt.js";
import { ConfigError } from "../../errors.js";
import type { Credential } from "../../keys/credential.js";
import type { CredentialStore } from "../../keys/credential-store.js";
import { isLoopbackHost } from "../../lib/loopback.js";
import { CREDENTIAL_ISSUER } from "../credentials/find-key.js";
import type { CliContext } from "./cli-context.js";
import { openCredentials } from "./home.js";
import { importCommand } from "./import-command.js";

/** Flags of every command that calls a server. */
export interface ConnectionFlags {
  readonly server: string;
  readonly credential?: string;
  readonly audience: string;
  readonly tokenLifetimeSeconds: number;
}

/** A server, as one credential sees it. */
export interface Connection extends Disposable {
  readonly server: string;
  readonly credential: Credential;
  /** Organisation of the credential. */
  readonly orgId: string;
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof JobEventService>;
  readonly credentials: Client<typeof CredentialService>;
  /**
   * How long a stream opened now may stay open, in milliseconds: it ends well before the token it carries does, so that
   * it is closed in order and opened again with the next one.
   */
  streamLifetimeMs(): Promise<number>;
}

const DEFAULTS = {
  /** A stream is closed this long before its token expires, or a tenth of the time left if that is shorter. */
  streamMarginMs: 30_000,
} satisfies Record<string, number>;

/**
 * Opens a connection for the credential that was named, or the default one. Nothing is sent yet.
 *
 * Rejects with {@link CredentialError} when there is no such credential or its key is unusable, and with
 * {@link ConfigError} when it has not been imported; both say what to do.
 */
export async function openConnection(flags: ConnectionFlags, context: CliContext): Promise<Connection> {
  assertServerSafe(flags.server);
  const store = openCredentials(context.env);
  const credential = await store.get(flags.credential);
  await assertImported(credential, store);
  const key = await store.signingKey(credential.name);
  const { audience, server } = flags;
  const tokens = cachedTokens(
    signedJwt({
      key,
      issuer: CREDENTIAL_ISSUER,
      subject: credential.fingerprint,
      audience,
      lifetimeSeconds: flags.tokenLifetimeSeconds,
    }),
  );
  const { transport, close } = openTransport(server, tokens);
  return {
    server,
    credential,
    orgId: credential.orgId ?? "",
    jobs: createClient(JobService, transport),
    events: createClient(JobEventService, transport),
    credentials: createClient(CredentialService, transport),
    async streamLifetimeMs() {
      const { expiresAtMs } = await tokens.getToken({ audience, origin: server, signal: new AbortController().signal });
      const leftMs = expiresAtMs - Date.now();
      return Math.max(0, leftMs - Math.min(DEFAULTS.streamMarginMs, leftMs / 10));
    },
    [Symbol.dispose]() {
      tokens[Symbol.dispose]();
      close();
    },
  };
}

function openTransport(
  baseUrl: string,
  tokens: CachedTokenSource,
): { readonly transport: Transport; readonly close: () => void } {
  const interceptors = [bearerAuth(tokens)];
  if (baseUrl.startsWith("http:")) {
    return { transport: createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors }), close() {} };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createConnectTransport({ baseUrl, httpVersion: "2", interceptors, sessionManager });
  return { transport, close: () => sessionManager.abort() };
}

function assertServerSafe(server: string): void {
  const { protocol, hostname } = new URL(server);
  if (protocol === "https:" || isLoopbackHost(hostname)) return;
  const message = `tokens are not sent over plain http to another machine: use https:// for ${server}`;
  throw new ConfigError("ERR_CONFIG_INVALID", message);
}

async function assertImported(credential: Credential, store: CredentialStore): Promise<void> {
  if (credential.imported && credential.orgId !== undefined) return;
  const message = `credential ${credential.name} has not been imported by a server yet. An admin runs: ${await importCommand(credential, store)}`;
  throw new ConfigError("ERR_CONFIG_INVALID", message);
}
