import { createHash, X509Certificate } from "node:crypto";
import { Socket } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { clientCertificateKey, readClientCertificate } from "../../src/server/client-certificate.js";
import { markRequest, requestMarksKey } from "../../src/server/request-marks.js";
import { createAuthority } from "../support/tls-authority.js";

const certificate = new X509Certificate(createAuthority().cert);

describe("readClientCertificate()", () => {
  it("gives the SHA-256 of the certificate's DER in base64url", () => {
    const expected = createHash("sha256").update(certificate.raw).digest("base64url");
    expect(readClientCertificate({ getPeerX509Certificate: () => certificate })).toBe(expected);
  });

  it("asks a connection once, and never answers for another", () => {
    let asked = 0;
    const other = new X509Certificate(createAuthority().cert);
    const create = (shown: X509Certificate) => ({
      getPeerX509Certificate() {
        asked++;
        return shown;
      },
    });
    const [first, second] = [create(certificate), create(other)];
    expect(readClientCertificate(first)).toBe(readClientCertificate(first));
    expect(asked).toBe(1);
    expect(readClientCertificate(second)).not.toBe(readClientCertificate(first));
  });

  it("asks a connection of HTTP/2 once, whose requests have sockets of their own and answer without claiming to", () => {
    let asked = 0;
    const connection = new Proxy(
      {},
      { get: (_, name) => name === "getPeerX509Certificate" && (() => (++asked > 0 ? certificate : undefined)) },
    );
    for (let request = 0; request < 2; request++) {
      const values = markRequest(
        { httpVersionMajor: 2, rawHeaders: [], headers: {}, socket: {}, stream: { session: { socket: connection } } },
        undefined,
      );
      expect(values.get(requestMarksKey)?.clientCertificate()).toHaveLength(43);
    }
    expect(asked).toBe(1);
  });

  it("asks again a connection that has shown none yet", () => {
    let shown: X509Certificate | undefined;
    const socket = { getPeerX509Certificate: () => shown };
    expect(readClientCertificate(socket)).toBeUndefined();
    shown = certificate;
    expect(readClientCertificate(socket)).toHaveLength(43);
  });

  it.each([undefined, null, "socket", {}, { getPeerX509Certificate: certificate }, new Socket()])(
    "gives nothing for a connection that cannot show any: %#",
    (socket) => {
      expect(readClientCertificate(socket)).toBeUndefined();
    },
  );
});

describe("clientCertificateKey", () => {
  it("is undefined until somebody sets it", () => {
    const values = createContextValues();
    expect(values.get(clientCertificateKey)).toBeUndefined();
    expect(values.set(clientCertificateKey, "").get(clientCertificateKey)).toBe("");
  });
});
