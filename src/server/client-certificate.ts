import type { X509Certificate } from "node:crypto";
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import { certificateThumbprint } from "../verify/confirmation.js";

/**
 * Where a call's client certificate is found, as the base64url SHA-256 of its DER ("x5t#S256").
 *
 * With TLS in the own process there is nothing to do: the certificate of the connection counts. Behind a proxy that ends
 * TLS, set it in the adapter's `contextValues`, from a header that nobody but the proxy can set; it then takes the place
 * of the connection's.
 *
 * Spec: RFC 8705 section 3.1.
 *
 * @example
 * ```ts
 * import { createHash } from "node:crypto";
 * import { createContextValues } from "@connectrpc/connect";
 * import { clientCertificateKey } from "latchkey/server";
 *
 * const contextValues = (request: { readonly headers: Record<string, string | undefined> }) => {
 *   const der = Buffer.from(request.headers["x-client-certificate"] ?? "", "base64");
 *   const thumbprint = der.length === 0 ? "" : createHash("sha256").update(der).digest("base64url");
 *   return createContextValues().set(clientCertificateKey, thumbprint);
 * };
 * ```
 */
export const clientCertificateKey: ContextKey<string | undefined> = createContextKey<string | undefined>(undefined, {
  description: "latchkey client certificate",
});

/** The part of a TLS socket that is looked at. */
interface CertifiedSocket {
  getPeerX509Certificate(): X509Certificate | undefined;
}

const thumbprints = new WeakMap<object, string>();

/** Gives the thumbprint of the certificate that the peer of a connection showed; undefined when it showed none. */
export function readClientCertificate(socket: unknown): string | undefined {
  if (!isCertifiedSocket(socket)) return undefined;
  const known = thumbprints.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const thumbprint = certificateThumbprint(certificate.raw);
  thumbprints.set(socket, thumbprint);
  return thumbprint;
}

function isCertifiedSocket(socket: unknown): socket is CertifiedSocket {
  if (typeof socket !== "object" || socket === null) return false;
  // Not `in`: HTTP/2 stands before the socket with a proxy that answers for members which it does not claim to have.
  return typeof Reflect.get(socket, "getPeerX509Certificate") === "function";
}
