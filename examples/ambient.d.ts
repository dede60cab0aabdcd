// Names that the code fences of README and docs take from their surroundings.
import type { ConnectRouter } from "@connectrpc/connect";
import type { JSONWebKeySet, JWK } from "jose";
import type { SigningKey } from "latchkey/node";

declare global {
  const routes: (router: ConnectRouter) => void;
  const tls: { readonly key: string; readonly cert: string };
  const baseUrl: string;
  const key: SigningKey;
  const org: string;
  const token: string;
  const jwk: JWK;
  const keySet: JSONWebKeySet;
}
