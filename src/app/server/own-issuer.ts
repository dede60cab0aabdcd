import { createTokenIssuer, type TokenIssuer } from "../../issuer/token-issuer.js";
import { createKeyRing, type KeyRing } from "../../keys/key-ring.js";
import { directoryKeyStore } from "../../keys/node-directory-key-store.js";
import type { IssuerSettings } from "./issuer-settings.js";

/** The issuer that the job service is itself: its keys, and what signs with them. */
export interface OwnIssuer extends Disposable {
  readonly keyRing: KeyRing;
  readonly tokens: TokenIssuer;
}

/** Opens the issuer over a directory of keys, which the server and the commands beside it may do at the same time. */
export function openOwnIssuer(
  keysDir: string,
  settings: IssuerSettings,
  onStoreError: (error: unknown) => void = () => {},
): OwnIssuer {
  const { issuer, audience, keyGraceSeconds, tokenLifetimeSeconds } = settings;
  const keyRing = createKeyRing({
    store: directoryKeyStore(keysDir),
    gracePeriodMs: keyGraceSeconds * 1_000,
    maxTokenLifetimeMs: tokenLifetimeSeconds * 1_000,
    onStoreError,
  });
  const tokens = createTokenIssuer({ issuer, audience, keyRing, lifetimeSeconds: tokenLifetimeSeconds });
  return { keyRing, tokens, [Symbol.dispose]: () => keyRing[Symbol.dispose]() };
}
