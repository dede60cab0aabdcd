import { type JwksAnswer, type JwksServer, startJwksServer } from "./jwks-server.js";

/** An issuer that publishes by a script, each path its own. */
export interface DiscoveryServer extends AsyncDisposable {
  /** Where it is, without a path. */
  readonly origin: string;
  /** Paths asked for, oldest first. */
  readonly paths: readonly string[];
  /** The server behind. */
  readonly server: JwksServer;
  /** Answers at a path from now on; 404 at any other. */
  answer(path: string, answer: JwksAnswer): void;
  /** Publishes a document at a place of OpenID Connect, that names the issuer and the path of a key set. */
  publish(issuerPath: string, jwksPath: string): void;
}

/** Starts an issuer on a free loopback port. */
export async function startDiscoveryServer(): Promise<DiscoveryServer> {
  const answers = new Map<string, JwksAnswer>();
  const server = await startJwksServer();
  const { origin } = new URL(server.url);
  server.answer(() => answers.get(server.requests.at(-1)?.url ?? "") ?? { status: 404 });
  const answer: DiscoveryServer["answer"] = (path, next) => void answers.set(path, next);
  return {
    origin,
    server,
    get paths() {
      return server.requests.map(({ url = "" }) => url);
    },
    answer,
    publish(issuerPath, jwksPath) {
      const body = { issuer: origin + issuerPath, jwks_uri: origin + jwksPath };
      answer(`${issuerPath}/.well-known/openid-configuration`, { body });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
