import { generateKeyPair, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { signCompactJwt } from "../../src/client/sign-compact-jwt.js";

describe("signCompactJwt()", () => {
  it("signs exactly these claims under exactly this header", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const header = { alg: "ES256", kid: "k", typ: "at+jwt" };
    const claims = { iss: "https://issuer.example", org: "acmé", exp: 4_102_444_800, nested: { deep: [1, null] } };
    const verified = await jwtVerify(await signCompactJwt(privateKey, header, claims), publicKey);
    expect(verified.protectedHeader).toEqual(header);
    expect(verified.payload).toEqual(claims);
  });
});
