import { createPublicKey, createSign, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, type JWK } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { JwsAlgorithm } from "../../src/token/algorithms.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import { forge, forgeHmac, takeApart } from "../support/forge.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const REJECTED = { name: "TokenRejectedError" };

describe("createVerifySignature()", () => {
  const clock: ManualClock = createManualClock();
  let issuer: TestIssuer;
  let rsaIssuer: TestIssuer;
  let server: JwksServer;
  let verifier: Verifier;
  let published: { keys: JWK[] };

  beforeAll(async () => {
    issuer = await createTestIssuer({ clock });
    rsaIssuer = await createTestIssuer({ clock, algorithm: "RS256" });
  });
  beforeEach(async () => {
    published = issuer.jwks();
    server = await startJwksServer(() => ({ body: published }));
    verifier = open(["ES256"]);
  });
  afterEach(async () => {
    await verifier[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function open(algorithms: readonly JwsAlgorithm[]): Verifier {
    return createVerifier({
      issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms, jwksUri: server.url }],
      allowLoopbackHttp: true,
      clock,
    });
  }
  const good = async (): Promise<ReturnType<typeof takeApart>> => takeApart(await issuer.mint());

  it("accepts a good token", async () => {
    expect(await verifier.verify(await issuer.mint())).toMatchObject({ subject: "alice", kid: issuer.kid });
  });

  it.each(["none", "None", "NONE", "nOnE", "", null, undefined, ["none"], ["ES256"], "ES256 ", "es256", "__proto__"])(
    "A1: refuses alg %o, with no signature and with a stolen one, and fetches nothing",
    async (alg) => {
      const { header, payload, signature } = await good();
      for (const stolen of [new Uint8Array(), signature]) {
        await expect(verifier.verify(forge({ ...header, alg }, payload, stolen))).rejects.toMatchObject(REJECTED);
      }
      expect(server.hits).toBe(0);
    },
  );

  it("A2: refuses HMAC with the public key as secret, in every form it can be written", async () => {
    published = rsaIssuer.jwks();
    const jwk = published.keys[0] as JWK;
    const keyObject = createPublicKey({ key: { ...jwk }, format: "jwk" });
    const spki = keyObject.export({ type: "spki", format: "pem" }).toString();
    const secrets = [
      spki,
      spki.trim(),
      ` ${spki}`,
      `x${spki}`,
      keyObject.export({ type: "pkcs1", format: "pem" }).toString(),
      keyObject.export({ type: "spki", format: "der" }),
      keyObject.export({ type: "pkcs1", format: "der" }),
      JSON.stringify(jwk),
      JSON.stringify(published),
      Buffer.from(jwk.n ?? "", "base64url"),
      jwk.n ?? "",
      jwk.kid ?? "",
    ];
    const { header, payload } = takeApart(await rsaIssuer.mint());
    await using both = open(["RS256"]);
    for (const secret of secrets) {
      for (const [alg, code] of [
        ["HS256", "ERR_TOKEN_ALGORITHM"],
        ["RS256", "ERR_TOKEN_SIGNATURE"],
      ] as const) {
        await expect(both.verify(forgeHmac({ ...header, alg }, payload, secret))).rejects.toMatchObject({ code });
      }
    }
    const { x = "" } = issuer.jwks().keys[0] as JWK;
    published = issuer.jwks();
    const elliptic = await good();
    for (const secret of [x, Buffer.from(x, "base64url")]) {
      const token = forgeHmac({ ...elliptic.header, alg: "HS256" }, elliptic.payload, secret);
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_ALGORITHM" });
    }
  });

  it("A3: refuses HMAC with an empty secret, for a known and an unknown kid", async () => {
    const { header, payload } = await good();
    for (const [kid, alg, code] of [
      [issuer.kid, "HS256", "ERR_TOKEN_ALGORITHM"],
      [issuer.kid, "ES256", "ERR_TOKEN_SIGNATURE"],
      ["unknown", "HS256", "ERR_TOKEN_ALGORITHM"],
      ["unknown", "ES256", "ERR_KEY_NOT_FOUND"],
    ] as const) {
      await expect(verifier.verify(forgeHmac({ ...header, alg, kid }, payload, ""))).rejects.toMatchObject({ code });
    }
  });

  it("A4: does not let a token choose another algorithm that its key could serve", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    published = { keys: [{ ...(publicKey.export({ format: "jwk" }) as JWK), kid: "bare" }] };
    await using narrow = open(["RS256"]);
    const { payload } = await good();
    for (const [alg, accepted] of [
      ["PS256", false],
      ["RS512", false],
      ["RS256", true],
    ] as const) {
      const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg, kid: "bare", typ: "at+jwt" })
        .sign(privateKey);
      const verified = narrow.verify(token);
      await (accepted ? expect(verified).resolves.toBeDefined() : expect(verified).rejects.toMatchObject(REJECTED));
    }
  });

  it("A5: refuses a key that does not fit the algorithm, or its own", async () => {
    const p384 = (await createTestIssuer({ clock, algorithm: "ES384" })).jwks().keys[0] as JWK;
    const rs256 = rsaIssuer.jwks().keys[0] as JWK;
    const es256 = issuer.jwks().keys[0] as JWK;
    const { header, payload, signature } = await good();
    for (const [alg, key, code] of [
      ["ES256", rs256, "ERR_KEY_UNUSABLE"],
      ["ES256", p384, "ERR_KEY_UNUSABLE"],
      ["RS512", rs256, "ERR_KEY_UNUSABLE"],
      ["ES256", { ...es256, alg: "ES512" }, "ERR_KEY_NOT_FOUND"],
      ["ES256", { ...es256, alg: "ES384", crv: "P-384" }, "ERR_KEY_NOT_FOUND"],
    ] as const) {
      published = {
        keys: [
          { ...key, kid: issuer.kid },
          { ...rs256, kid: "other" },
        ],
      };
      await using fresh = open(["ES256", "ES384", "RS256", "RS512"]);
      await expect(fresh.verify(forge({ ...header, alg }, payload, signature))).rejects.toMatchObject({ code });
    }
  });

  it("A7: takes no key from the header, though it has the right kid", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const jwk = { ...(await exportJWK(publicKey)), kid: issuer.kid };
    const { payload } = await good();
    const x5c = [
      createPublicKey(await exportSPKI(publicKey))
        .export({ type: "spki", format: "der" })
        .toString("base64"),
    ];
    for (const embedded of [{ jwk }, { x5c }, { jwk, x5c, x5t: "AA" }]) {
      const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ alg: "ES256", kid: issuer.kid, typ: "at+jwt", ...embedded })
        .sign(privateKey);
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
    }
  });

  it("A7: ignores key parameters in the header of a token that is good without them", async () => {
    const header = { x5t: "dGh1bWI", "x5t#S256": "dGh1bWI", jku: "https://idp.example", custom: 1 };
    await expect(verifier.verify(await issuer.mint({ header }))).resolves.toBeDefined();
  });

  it("A8: opens no connection to where a header points", async () => {
    await using elsewhere = await startJwksServer({ body: published });
    const header = { jku: elsewhere.url, x5u: elsewhere.url };
    await verifier.verify(await issuer.mint({ header }));
    await expect(verifier.verify(await issuer.mint({ header: { ...header, kid: "x" } }))).rejects.toMatchObject(
      REJECTED,
    );
    expect(elsewhere.hits).toBe(0);
  });

  it.each([
    "../../etc/passwd",
    "/dev/null",
    "C:\\keys\\key",
    "' OR 1=1 --",
    "x' UNION SELECT 'key",
    "kid\u0000",
    "kid\r\nx-injected: 1",
    '"kid"',
    "a".repeat(257),
    "a".repeat(1_400),
    "",
    " ",
    "ключ",
    7,
    null,
    true,
    ["kid"],
    { kid: "kid" },
    "https://evil.example/key",
  ])("A9: refuses the kid %o", async (kid) => {
    const refused = await verifier.verify(await issuer.mint({ header: { kid } })).catch((error: unknown) => error);
    expect(refused).toMatchObject(REJECTED);
    if (typeof kid === "string" && kid.trim().length > 3) expect(inspect(refused)).not.toContain(kid);
    expect(server.requests.every(({ url }) => url === "/jwks.json")).toBe(true);
  });

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "A10: refuses %s as kid and as iss like any unknown one",
    async (name) => {
      await expect(verifier.verify(await issuer.mint({ header: { kid: name } }))).rejects.toMatchObject({
        code: "ERR_KEY_NOT_FOUND",
      });
      await expect(verifier.verify(await issuer.mint({ claims: { iss: name } }))).rejects.toMatchObject({
        code: "ERR_TOKEN_ISSUER",
      });
    },
  );

  it("A11: refuses a token without kid, whether the issuer has one key or several", async () => {
    const token = await issuer.mint({ header: { kid: undefined } });
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    published = { keys: [...published.keys, ...rsaIssuer.jwks().keys.map((key) => ({ ...key, kid: "second" }))] };
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    expect(server.hits).toBe(0);
  });

  it("A12: refuses a kid that two keys have, in either order", async () => {
    const twin = { ...(rsaIssuer.jwks().keys[0] as JWK), kid: issuer.kid };
    const other = { ...(rsaIssuer.jwks().keys[0] as JWK), kid: "other" };
    const token = await issuer.mint();
    for (const keys of [
      [...issuer.jwks().keys, twin, other],
      [twin, other, ...issuer.jwks().keys],
    ]) {
      published = { keys };
      await using fresh = open(["ES256"]);
      await expect(fresh.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    }
  });

  it("A13: does not answer an unknown kid with some other key of the issuer", async () => {
    const rotating = await createTestIssuer({ clock });
    for (let count = 0; count < 3; count++) {
      published = rotating.jwks();
      await using fresh = open(["ES256"]);
      const token = await rotating.mint({ header: { kid: "unknown" } });
      await expect(fresh.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
      await rotating.rotate();
    }
  });

  it("A14: refuses HMAC with a symmetric key that the issuer publishes", async () => {
    const k = Buffer.from("a published secret");
    published = { keys: [...published.keys, { kty: "oct", kid: "oct", alg: "HS256", k: k.toString("base64url") }] };
    const { header, payload } = await good();
    for (const alg of ["HS256", "ES256"]) {
      const token = forgeHmac({ ...header, alg, kid: "oct" }, payload, k);
      await expect(verifier.verify(token)).rejects.toMatchObject(REJECTED);
    }
  });

  it("A15: refuses a token of a key whose private part the issuer publishes", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    expect(publicKey.type).toBe("public");
    published = { keys: [...published.keys, { ...(await exportJWK(privateKey)), kid: "leaked" }] };
    const { payload } = await good();
    const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: "ES256", kid: "leaked", typ: "at+jwt" })
      .sign(privateKey);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
  });

  it("A16: refuses a token of a key published for encryption", async () => {
    const rotating = await createTestIssuer({ clock });
    const first = rotating.kid;
    const token = await rotating.mint();
    await rotating.rotate();
    published = { keys: rotating.jwks().keys.map((key) => (key.kid === first ? { ...key, use: "enc" } : key)) };
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    await expect(verifier.verify(await rotating.mint())).resolves.toBeDefined();
  });

  it("C4: refuses a token of a 1024-bit RSA key", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    published = {
      keys: [...rsaIssuer.jwks().keys, { ...(publicKey.export({ format: "jwk" }) as JWK), kid: "weak", alg: "RS256" }],
    };
    await using rsa = open(["RS256"]);
    const { payload } = await good();
    const unsigned = forge({ alg: "RS256", kid: "weak", typ: "at+jwt" }, payload).replace(/\.$/, "");
    const signature = createSign("sha256").update(unsigned).sign(privateKey).toString("base64url");
    await expect(rsa.verify(`${unsigned}.${signature}`)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
  });

  it("C5: refuses a token forged for an exponent of 1", async () => {
    const jwk = rsaIssuer.jwks().keys[0] as JWK;
    published = { keys: [...rsaIssuer.jwks().keys, { ...jwk, kid: "one", e: "AQ" }] };
    await using rsa = open(["RS256"]);
    const { payload } = await good();
    const header = { alg: "RS256", kid: "one", typ: "at+jwt" };
    const unsigned = forge(header, payload).replace(/\.$/, "");
    // With e = 1 the padded digest is its own signature.
    const { createHash } = await import("node:crypto");
    const prefix = Buffer.from("3031300d060960864801650304020105000420", "hex");
    const digest = Buffer.concat([prefix, createHash("sha256").update(unsigned).digest()]);
    const padding = Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - digest.length, 0xff), Buffer.from([0])]);
    await expect(rsa.verify(forge(header, payload, Buffer.concat([padding, digest])))).rejects.toMatchObject({
      code: "ERR_KEY_NOT_FOUND",
    });
  });

  it("C7: refuses a token of an Ed25519 key of small order", async () => {
    const edIssuer = await createTestIssuer({ clock, algorithm: "EdDSA" });
    const identity = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]);
    const jwk = { kty: "OKP", crv: "Ed25519", kid: "identity", x: identity.toString("base64url") };
    published = { keys: [...edIssuer.jwks().keys, jwk] };
    await using ed = open(["EdDSA"]);
    await expect(ed.verify(await edIssuer.mint())).resolves.toBeDefined();
    const { payload } = await good();
    const token = forge(
      { alg: "EdDSA", kid: "identity", typ: "at+jwt" },
      payload,
      Buffer.concat([identity, Buffer.alloc(32)]),
    );
    await expect(ed.verify(token)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
  });

  it("C1: refuses ES256 signatures out of range, of another length, or in DER", async () => {
    const { header, payload, signature } = await good();
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const scalar = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
    const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
    const edges = [0n, 1n, order - 1n, order, order + 1n, 2n ** 256n - 1n].map(scalar);
    const forged = edges.flatMap((edge) => [
      ...edges.map((other) => Buffer.concat([edge, other])),
      Buffer.concat([r, edge]),
      Buffer.concat([edge, s]),
    ]);
    const der = Buffer.concat([Buffer.from([0x30, 0x44, 2, 32]), r, Buffer.from([2, 32]), s]);
    for (const bytes of [...forged, der, signature.subarray(0, 63), Buffer.concat([signature, Buffer.alloc(32)])]) {
      await expect(verifier.verify(forge(header, payload, bytes))).rejects.toMatchObject({
        code: "ERR_TOKEN_SIGNATURE",
      });
    }
  });

  it("refuses any other signature, without showing a claim in the error", async () => {
    const { header, payload, signature } = await good();
    const wrong = Uint8Array.from(signature, (byte, index) => (index === 40 ? byte ^ 1 : byte));
    for (const bytes of [wrong, new Uint8Array(64), signature.subarray(1), new Uint8Array([...signature, 0])]) {
      const error: unknown = await verifier.verify(forge(header, payload, bytes)).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("alice");
    }
    expect(server.hits).toBe(1);
  });

  it("turns away more checks than may be under way, and serves the tokens it knows meanwhile", async () => {
    await using busy = createVerifier({
      issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], jwksUri: server.url }],
      allowLoopbackHttp: true,
      maxPendingVerifications: 2,
      clock,
    });
    const known = await issuer.mint();
    await busy.verify(known);
    const tokens = await Promise.all(Array.from({ length: 5 }, () => issuer.mint()));
    const results = Promise.allSettled(tokens.map((token) => busy.verify(token)));
    await expect(busy.verify(known)).resolves.toBeDefined();
    const refused = (await results).flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(refused).toHaveLength(3);
    for (const error of refused) expect(error).toMatchObject({ code: "ERR_TOO_MANY_PENDING" });
    await expect(busy.verify(tokens[4] as string)).resolves.toBeDefined();
  });
});
