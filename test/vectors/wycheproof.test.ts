import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseKeySet } from "../../src/jwks/key-set.js";
import { decodeBase64url } from "../../src/lib/base64url.js";
import { createVerifySignature } from "../../src/verify/signature.js";

// The vectors of C2SP/wycheproof, converted to one list; most of their payloads are no claims, so they are run against
// key selection and signature alone, with the strict spelling that every token is held to before.
interface Vectors {
  readonly keys: Readonly<Record<string, unknown>>;
  readonly vectors: readonly {
    readonly id: string;
    readonly comment: string;
    readonly jwks: string;
    readonly token: string;
    readonly toolkit: "valid" | "invalid";
  }[];
}

const file = process.env["WYCHEPROOF_JWS"];

/** Whether a token verifies under the key of a set that its header names. */
async function verifies(token: string, jwks: unknown): Promise<boolean> {
  const parts = token.split(".").map(decodeBase64url);
  if (parts.length !== 3 || !parts.every((part) => part !== undefined)) return false;
  try {
    const { alg, kid } = JSON.parse(new TextDecoder().decode(parts[0]));
    const { keys } = await parseKeySet(jwks, { maxKeys: 100 });
    const key = await keys.get(kid)?.key(alg);
    if (key === undefined) return false;
    const [, , signature = new Uint8Array()] = parts;
    const signingInput = token.slice(0, token.lastIndexOf("."));
    await createVerifySignature(1)({ alg, signingInput, signature }, key);
    return true;
  } catch {
    return false;
  }
}

describe.runIf(file !== undefined)("Wycheproof vectors", () => {
  const { keys, vectors }: Vectors =
    file === undefined ? { keys: {}, vectors: [] } : JSON.parse(readFileSync(file, "utf8"));

  it("are all there", () => {
    expect(vectors.length).toBeGreaterThan(400);
  });

  it.each(vectors)("$id $comment: $toolkit", async ({ token, jwks, toolkit }) => {
    expect(await verifies(token, keys[jwks])).toBe(toolkit === "valid");
  });
});
