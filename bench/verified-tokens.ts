// Very many callers, each with a good token of its own: what remembering them takes.
import { createVerifier } from "latchkey/verify";
import type { Figure } from "./figure.ts";
import { createMinter } from "./minter.ts";
import { usedBytes } from "./used-bytes.ts";

const TOKENS = 200_000;
const AT_ONCE = 100;
const MB = 1024 * 1024;

/** Growth of the heap, and of what its objects hold outside of it, with limits by default; and time for all of them. */
export async function measureVerifiedTokens(): Promise<Figure[]> {
  // The algorithm whose keys sign fastest: minting is most of the time all the same.
  const minter = createMinter("EdDSA");
  const { issuer, audience, jwks: keys } = minter;
  await using verifier = createVerifier({ issuers: [{ issuer, audience, algorithms: ["EdDSA"], keys }] });
  const verifyMany = async (tokens: number): Promise<void> => {
    for (let done = 0; done < tokens; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => verifier.verify(minter.mint())));
    }
  };
  // What every process has once its code is compiled.
  await verifyMany(AT_ONCE);
  const bytesBefore = usedBytes();
  const outsideBefore = process.memoryUsage().external;
  const startedMs = performance.now();
  await verifyMany(TOKENS);
  const elapsedMs = performance.now() - startedMs;
  const grownMb = (usedBytes() - bytesBefore) / MB;
  const outsideMb = (process.memoryUsage().external - outsideBefore) / MB;
  return [
    { name: "200,000 good tokens, minted and verified in", value: elapsedMs / 1_000, unit: "s" },
    { name: "200,000 good tokens, growth of the heap", value: grownMb, unit: "MB", max: 32 },
    { name: "200,000 good tokens, growth of what it holds outside", value: outsideMb, unit: "MB", max: 1 },
  ];
}
