// Tokens that cannot pass whatever their signature: what refusing one costs, with nobody asked for a key.
import { randomBytes } from "node:crypto";
import { AuthError } from "latchkey";
import { createVerifier, type Verifier } from "latchkey/verify";
import type { Figure } from "./figure.ts";
import { createMinter, type Minter } from "./minter.ts";
import { stayOnOneCore } from "./one-core.ts";
import { percentile } from "./rounds.ts";

// The longest token that is looked at, and the room that header and signature leave in it.
const LONGEST_TOKEN = 8 * 1024;
const LONGEST_PAYLOAD = Math.floor(((LONGEST_TOKEN - 250) * 3) / 4);

// A round of one kind takes less than a millisecond: most then pass without the machine turning to something else.
const ROUNDS = 200;
const WARM_UP_ROUNDS = 50;
const REFUSALS_PER_ROUND = 20;
// No structure gives it away: it is decoded and parsed to its end, and parsing escapes takes longest.
const COSTLIEST = "8 KiB, a text of escapes";

/** Time of a refusal, for each kind of token that strangers may send. */
export async function measurePreCheck(): Promise<Figure[]> {
  stayOnOneCore();
  const minter = createMinter("ES256");
  let keysAsked = 0;
  await using verifier = createVerifier({
    issuers: [
      {
        issuer: minter.issuer,
        audience: minter.audience,
        algorithms: ["ES256"],
        async findKey() {
          keysAsked++;
          return undefined;
        },
      },
    ],
  });
  const kinds = [];
  for (const [name, mint] of Object.entries(badTokens(minter))) {
    // Each with a header of its own, so that none is known from the token before.
    const tokens = Array.from({ length: REFUSALS_PER_ROUND }, (_, serial) => mint({ kid: `kid-${serial}` }));
    const code = await refusalOf(verifier, tokens[0] ?? "");
    kinds.push({ name: `${name} (${code})`, tokens, roundsNs: [] as number[] });
  }
  // In turns, so that what disturbs the machine for a while disturbs a few rounds of each.
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (const { tokens, roundsNs } of kinds) {
      const startedMs = performance.now();
      for (const token of tokens) await refusalOf(verifier, token);
      const elapsedMs = performance.now() - startedMs;
      if (round >= WARM_UP_ROUNDS) roundsNs.push((elapsedMs * 1_000_000) / REFUSALS_PER_ROUND);
    }
  }
  if (keysAsked > 0) throw new Error("a key was asked for");
  return kinds.map(({ name, roundsNs }) => ({
    name: `refused before any key: ${name}`,
    // The quieter rounds: what the neighbours on the machine do to the others is not the cost of the code.
    value: percentile(roundsNs, 0.25) / 1_000,
    unit: "µs",
    ...(!name.startsWith(COSTLIEST) && { max: 20 }),
  }));
}

/** Has a token refused; gives the code of the refusal. */
async function refusalOf(verifier: Verifier, token: string): Promise<string> {
  try {
    await verifier.verify(token);
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
  throw new Error("a bad token was accepted");
}

/** Gives a token of a kind, with these header parameters where it has a header. */
type MintBad = (header: Readonly<Record<string, unknown>>) => string;

function badTokens(minter: Minter): Record<string, MintBad> {
  const [, payload = "", signature = ""] = minter.mint().split(".");
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const noise = randomBytes(LONGEST_PAYLOAD).toString("base64url");
  const typ = "at+jwt";
  const withClaims =
    (claims: Readonly<Record<string, unknown>>): MintBad =>
    (header) =>
      minter.mint({ header, claims });
  const withPayload =
    (text: string): MintBad =>
    (header) =>
      minter.mintRaw(text, header);
  return {
    "another issuer": withClaims({ iss: "https://evil.example" }),
    "another audience": withClaims({ aud: "https://other.example" }),
    expired: withClaims({ iat: nowSeconds - 7_200, exp: nowSeconds - 3_600 }),
    "alg none": (header) => `${encode({ ...header, alg: "none", typ })}.${payload}.`,
    "alg HS256": (header) => minter.mint({ header: { ...header, alg: "HS256" } }),
    "a text that is no token": () => "s3cr3t-api-key",
    "broken JSON": withPayload('{"iss":"https://idp.example","sub":'),
    "8 KiB of dots": () => ".".repeat(LONGEST_TOKEN),
    "60 KiB": (header) => `${encode({ ...header, alg: "ES256", typ })}.${noise.repeat(8)}.${signature}`,
    "8 KiB, padding at its end": (header) => `${encode({ ...header, alg: "ES256", typ })}.${noise}=.${signature}`,
    "8 KiB of noise": (header) => `${encode({ ...header, alg: "ES256", typ })}.${noise}.${signature}`,
    "8 KiB, deeply nested": withPayload(`{"a":${fill("[")}`),
    "8 KiB, a member twice": withPayload(`{"iss":0,"iss":1,"a":"${fill("x", 24)}"}`),
    "8 KiB, 800 members": withPayload(`{${fillMembers('"iss":0')}}`),
    "8 KiB, 1,900 objects": withPayload(`{"a":[{}${fill(",{}", 16)}]}`),
    "8 KiB, 2,900 numbers": withPayload(`{"a":[1${fill(",1", 16)}]}`),
    [COSTLIEST]: withPayload(`{"a":"${fill("\\u0061", 16)}"}`),
  };
}

/** One text again and again, as often as a payload has room for it. */
function fill(text: string, reservedBytes = 8): string {
  return text.repeat(Math.floor((LONGEST_PAYLOAD - reservedBytes) / text.length));
}

/** As many members as a payload has room for, each of another name, and then these. */
function fillMembers(last: string): string {
  let members = "";
  for (let serial = 0; members.length + last.length < LONGEST_PAYLOAD - 16; serial++) {
    members += `"${serial.toString(36)}":1,`;
  }
  return members + last;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
