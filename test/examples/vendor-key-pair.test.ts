import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { importJWK, jwtVerify } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type IngestOptions, openIngestTransport } from "../../examples/vendor-key-pair.js";
import { generateSigningKey, type SigningKey } from "../../src/keys/signing-key.js";
import { startRpcServer } from "../support/rpc-server.js";

const JWT = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const { key } = await generateSigningKey({ algorithm: "RS256" });

/** The vendor's control plane: checks key-pair tokens as the vendor's manual says, and gives scoped tokens. */
async function startControlPlane(registered: SigningKey, ingestOrigin: string) {
  const seen: string[] = [];
  const server = createServer(async (request, response) => {
    const form = new URLSearchParams(await readText(request));
    seen.push(request.url ?? "");
    const token = form.get("subject_token") ?? request.headers.authorization?.slice("Bearer ".length) ?? "";
    const isTyped = request.headers["x-acme-token-type"] === "KEYPAIR_JWT";
    if (!isTyped || !(await isKeyPairToken(token, registered, origin()))) {
      response.writeHead(401).end();
    } else if (request.url === "/v1/ingest-origin") {
      response.writeHead(200).end(`${ingestOrigin}\n`);
    } else {
      const scoped = createHash("sha256")
        .update(`${form.get("audience")} ${form.get("scope")}`)
        .digest("base64url");
      const isExchange = form.get("subject_token_type") === JWT;
      response.writeHead(isExchange ? 200 : 400, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          access_token: scoped,
          token_type: "Bearer",
          issued_token_type: ACCESS_TOKEN,
          expires_in: 300,
        }),
      );
    }
  });
  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: origin(), seen };
}

async function isKeyPairToken(token: string, registered: SigningKey, audience: string): Promise<boolean> {
  const publicKey = await importJWK(registered.publicJwk, registered.algorithm, { extractable: true });
  const der = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey as CryptoKey));
  const fingerprint = createHash("sha256").update(der).digest("base64");
  try {
    const issuer = `ORG1.LOADER.SHA256:${fingerprint}`;
    await jwtVerify(token, publicKey, { issuer, subject: "ORG1.LOADER", audience, requiredClaims: ["exp", "iat"] });
    return true;
  } catch {
    return false;
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

/** The host that takes data: records what it was shown. */
async function startIngestHost() {
  const calls: { readonly authorization: string | null; readonly tokenType: string | null }[] = [];
  const server = await startRpcServer("2", {
    routes: (router) =>
      router.service(EchoService, {
        unary({ text }, { requestHeader }) {
          calls.push({
            authorization: requestHeader.get("authorization"),
            tokenType: requestHeader.get("x-acme-token-type"),
          });
          return { text };
        },
      }),
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { origin: server.url, calls };
}

const optionsFor = (controlPlane: string, changes: Partial<IngestOptions> = {}): IngestOptions => ({
  controlPlane,
  ingestDomain: "127.0.0.1",
  account: "org1",
  user: "loader",
  key,
  ...changes,
});

describe("the example of a vendor's key-pair convention", () => {
  it("goes from the control plane to the host that takes the data, with a token for that host alone", async () => {
    const host = await startIngestHost();
    const controlPlane = await startControlPlane(key, host.origin);
    const client = createClient(EchoService, await openIngestTransport(optionsFor(controlPlane.origin)));
    for (const text of ["one", "two"]) await expect(client.unary({ text })).resolves.toMatchObject({ text });
    const scoped = createHash("sha256").update(`${host.origin} ingest:127.0.0.1`).digest("base64url");
    const call = { authorization: `Bearer ${scoped}`, tokenType: "SCOPED_TOKEN" };
    expect(host.calls).toEqual([call, call]);
    expect(controlPlane.seen).toEqual(["/v1/ingest-origin", "/oauth/token"]);
  });

  it("is turned away with a key that the vendor does not know", async () => {
    const host = await startIngestHost();
    const { key: other } = await generateSigningKey({ algorithm: "RS256" });
    const controlPlane = await startControlPlane(other, host.origin);
    await expect(openIngestTransport(optionsFor(controlPlane.origin))).rejects.toThrow("status 401");
  });

  it("sends nothing to a host outside the vendor's domain", async () => {
    const host = await startIngestHost();
    const controlPlane = await startControlPlane(key, host.origin);
    const options = optionsFor(controlPlane.origin, { ingestDomain: "ingest.acme.example" });
    await expect(openIngestTransport(options)).rejects.toThrow("outside the vendor's domain");
    expect(controlPlane.seen).toEqual(["/v1/ingest-origin"]);
  });
});
