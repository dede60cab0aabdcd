// Runs in the browser: the test bundles it and calls it.
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import type { JWK } from "jose";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import {
  type AuthFailure,
  bearerAuth,
  explainAuthError,
  importSigningKey,
  type SigningKeyPair,
  signedJwt,
} from "../../src/client.js";

/** A call that the page shall make. */
export interface PageCall {
  readonly baseUrl: string;
  readonly protocol: "connect" | "grpc-web";
  readonly kind: "unary" | "serverStream";
  /** The "aud" of the token; absent: the origin of the call. */
  readonly audience?: string;
}

/** What became of a call, in a form that leaves the browser. */
export interface PageAnswer {
  /** The subjects that the handler saw, one per message. */
  readonly subjects: readonly string[];
  readonly failure?: {
    readonly code: number;
    readonly challenge: string | null;
    readonly explained: AuthFailure | undefined;
  };
}

/** What the test calls. */
export interface Page {
  /** Makes a key that cannot be exported, keeps it in the browser's database and gives its public part. */
  createKey(): Promise<JWK>;
  /** What exporting the stored private key gives: the name of the error. */
  exportKey(): Promise<string>;
  /** Makes a call with a token signed with the stored key. */
  call(call: PageCall): Promise<PageAnswer>;
}

declare global {
  var page: Page;
}

globalThis.page = {
  async createKey() {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
    const { kty = "", crv = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", publicKey);
    const pair = { privateKey, publicJwk: { kty, crv, x, y } };
    await withStore((store) => store.put(pair, "key"));
    return (await importSigningKey(pair)).publicJwk;
  },
  async exportKey() {
    const { privateKey } = await readPair();
    return crypto.subtle.exportKey("pkcs8", privateKey).then(
      () => "exported",
      (error: Error) => error.name,
    );
  },
  async call({ baseUrl, protocol, kind, audience }) {
    const key = await importSigningKey(await readPair());
    const source = signedJwt({
      key,
      issuer: "browser",
      claims: { org: "acme", roles: ["tester"] },
      ...(audience !== undefined && { audience }),
    });
    const createTransport = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
    const client = createClient(EchoService, createTransport({ baseUrl, interceptors: [bearerAuth(source)] }));
    const subjects: string[] = [];
    try {
      if (kind === "unary") {
        subjects.push((await client.unary({ orgId: "acme", text: "hi" })).subject);
      } else {
        for await (const { subject } of client.serverStream({ orgId: "acme", text: "hi", count: 3 })) {
          subjects.push(subject);
        }
      }
      return { subjects };
    } catch (error) {
      const { code, metadata } = ConnectError.from(error);
      const challenge = metadata.get("www-authenticate");
      return { subjects, failure: { code, challenge, explained: explainAuthError(error) } };
    }
  },
};

async function readPair(): Promise<SigningKeyPair> {
  return withStore((store) => store.get("key") as IDBRequest<SigningKeyPair>);
}

async function withStore<T>(use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open("latchkey", 1);
  opening.onupgradeneeded = () => void opening.result.createObjectStore("keys");
  const database = await settled(opening);
  try {
    return await settled(use(database.transaction("keys", "readwrite").objectStore("keys")));
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
