import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Adapter, type Client, errors, Provider, type ResourceServer } from "oidc-provider";
import { withoutUndefined } from "../../src/lib/options.js";
import { generateSigningKey, type SigningKey } from "../../src/node.js";

const LIFETIME_SECONDS = 600;

/** What the server is told of a client. */
export interface RegisteredClient {
  readonly clientId: string;
  readonly key: SigningKey;
}

/** What became of a token request, as the server saw it. */
export interface TokenRequestRecord {
  /** The error code; undefined for a request that got a token. */
  readonly error?: string;
  /** What the server wrote for people. */
  readonly description?: string;
  /** What the server keeps to itself. */
  readonly detail?: string;
}

/** An authorization server that is not ours, on a free loopback port. */
export interface OidcProviderServer extends AsyncDisposable {
  /** The issuer identifier, with the path that the server is mounted on. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** Paths asked for, oldest first. */
  readonly paths: readonly string[];
  /** Token requests, oldest first. */
  readonly tokenRequests: readonly TokenRequestRecord[];
}

/**
 * Starts `oidc-provider` for clients that may have the scope `jobs:read` of one resource, as JWTs that are signed with
 * the same algorithm as their assertions.
 *
 * @param path - What the server is mounted on, such as `/tenant`; its metadata of RFC 8414 is then nowhere to be found.
 * @param requireNonce - Whether DPoP proofs have to hold a nonce of the server.
 */
export async function startOidcProvider(
  clients: readonly RegisteredClient[],
  resource: string,
  path = "",
  requireNonce = false,
): Promise<OidcProviderServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}${path}`;
  const keys = await Promise.all([
    generateSigningKey({ algorithm: "ES256" }),
    generateSigningKey({ algorithm: "RS256" }),
  ]);
  const describeResource = async (_: unknown, wanted: string, client: Client): Promise<ResourceServer> => {
    if (wanted !== resource) throw new errors.InvalidTarget();
    return {
      scope: "jobs:read jobs:write",
      audience: resource,
      accessTokenFormat: "jwt",
      accessTokenTTL: LIFETIME_SECONDS,
      jwt: { sign: { alg: client.clientAuthSigningAlg ?? "ES256" } },
    };
  };
  const provider = new Provider(issuer, {
    adapter: createAdapters(),
    clients: clients.map(({ clientId, key }) => ({
      client_id: clientId,
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
      scope: "jobs:read",
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: key.algorithm,
      id_token_signed_response_alg: "ES256",
      jwks: { keys: [key.publicJwk] },
    })),
    jwks: { keys: keys.map(({ privateJwk }) => ({ ...privateJwk, use: "sig" })) },
    scopes: ["jobs:read", "jobs:write"],
    ttl: { ClientCredentials: LIFETIME_SECONDS },
    features: {
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => requireNonce },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: describeResource },
    },
    extraTokenClaims: async () => ({ org: "acme", roles: ["tester"] }),
  });
  const paths: string[] = [];
  const tokenRequests: TokenRequestRecord[] = [];
  provider.on("grant.success", () => tokenRequests.push({}));
  provider.on("grant.error", (_, { error, error_description: description, error_detail: detail }) =>
    tokenRequests.push(withoutUndefined({ error, description, detail })),
  );
  const handle = provider.callback();
  server.on("request", (request, response) => {
    const { url = "" } = request;
    paths.push(url);
    if (!url.startsWith(`${path}/`)) return void response.writeHead(404).end();
    // What routers do that mount an application; it builds its own URLs of the difference.
    handle(Object.assign(request, { originalUrl: url, url: url.slice(path.length) }), response);
  });
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: `${issuer}/jwks`,
    paths,
    tokenRequests,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function createAdapters(): (kind: string) => Adapter {
  const records = new Map<string, object>();
  return (kind) => ({
    upsert: async (id, payload) => void records.set(`${kind}:${id}`, payload),
    find: async (id) => records.get(`${kind}:${id}`),
    destroy: async (id) => void records.delete(`${kind}:${id}`),
  });
}
