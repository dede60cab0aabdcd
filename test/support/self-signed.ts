import { createAuthority } from "./tls-authority.js";

/** A certificate for `localhost` and `127.0.0.1`, signed by itself, with its key; both PEM. */
export interface SelfSigned {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate that is valid for a day. */
export function createSelfSigned(): SelfSigned {
  const { cert, key } = createAuthority({ subject: "localhost", hosts: ["localhost", "127.0.0.1"] });
  return { cert, key };
}
