// Calls a service whose vendor has a key-pair convention of its own, in four steps:
//
// 1. a token that this process signs, with the fingerprint of its key in the issuer, is good at the control plane alone;
// 2. the control plane says which host takes the data;
// 3. it exchanges the token for one that is scoped to that host;
// 4. the call goes there with the scoped token.
//
// Tokens are cached and replaced in time: each of the two is made about once per hour, however many calls there are.
import { createHash, createPublicKey } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { bearerAuth, type CachedTokenSource, cachedTokens, signedJwt, tokenExchange } from "latchkey/client";
import type { SigningKey } from "latchkey/node";

/** Who calls, and where the vendor is found. */
export interface IngestOptions {
  /** Origin of the control plane, such as `https://acme.example`. */
  readonly controlPlane: string;
  /** The hosts that data may go to: this name and those below it. */
  readonly ingestDomain: string;
  readonly account: string;
  readonly user: string;
  /** Its public part is registered with the vendor. */
  readonly key: SigningKey;
}

/** Says beside a token what kind of token it is, as this vendor wants it. */
const TOKEN_TYPE_HEADER = "x-acme-token-type";

/** Opens a transport to the host that takes the data of this account. */
export async function openIngestTransport(options: IngestOptions): Promise<Transport> {
  const { controlPlane } = options;
  const controlTokens = cachedTokens(createControlPlaneSource(options));
  const origin = await discoverIngestOrigin(options, controlTokens);
  const scopedTokens = tokenExchange({
    authorizationServer: { issuer: controlPlane, tokenEndpoint: `${controlPlane}/oauth/token` },
    headers: { [TOKEN_TYPE_HEADER]: "KEYPAIR_JWT" },
    subjectToken: controlTokens,
    subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
    // Functions of the call: the same source would serve further hosts, each with a token of its own.
    audience: (call) => call.origin,
    scope: (call) => `ingest:${new URL(call.origin).hostname}`,
  });
  return createConnectTransport({
    baseUrl: origin,
    httpVersion: "2",
    interceptors: [bearerAuth(scopedTokens, { origins: [origin], headers: { [TOKEN_TYPE_HEADER]: "SCOPED_TOKEN" } })],
  });
}

/** Signs tokens whose issuer is `ACCOUNT.USER.SHA256:<fingerprint>`. */
function createControlPlaneSource({ account, user, key }: IngestOptions) {
  const name = `${account}.${user}`.toUpperCase();
  return signedJwt({
    key,
    issuer: (_, signer) => `${name}.SHA256:${fingerprintOf(signer)}`,
    subject: name,
    tokenType: "JWT",
  });
}

/** SHA-256 of the public key in DER, in base64: what `openssl dgst -sha256 -binary | base64` prints. */
function fingerprintOf({ publicJwk }: SigningKey): string {
  const der = createPublicKey({ key: publicJwk, format: "jwk" }).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("base64");
}

async function discoverIngestOrigin(options: IngestOptions, tokens: CachedTokenSource): Promise<string> {
  const { controlPlane, ingestDomain } = options;
  const signal = AbortSignal.timeout(10_000);
  const { value } = await tokens.getToken({ audience: controlPlane, origin: controlPlane, signal });
  const response = await fetch(`${controlPlane}/v1/ingest-origin`, {
    headers: { authorization: `Bearer ${value}`, [TOKEN_TYPE_HEADER]: "KEYPAIR_JWT" },
    // A redirect would carry the token to wherever it points.
    redirect: "error",
    signal,
  });
  if (!response.ok) throw new Error(`The control plane answered with status ${response.status}`);
  const { origin, hostname } = new URL((await response.text()).trim());
  // Tokens go to that host from now on, so it has to be one of the vendor's.
  if (hostname !== ingestDomain && !hostname.endsWith(`.${ingestDomain}`)) {
    throw new Error("The control plane named a host outside the vendor's domain");
  }
  return origin;
}
