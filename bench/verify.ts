// What verifying costs: a token seen before, and one never seen, beside jose with an imported key.
import { importJWK, jwtVerify } from "jose";
import { createTestIssuer } from "latchkey/testing";
import { createVerifier } from "latchkey/verify";
import { Bench } from "tinybench";
import type { Figure } from "./figure.ts";

const ALGORITHMS = ["ES256", "EdDSA", "RS256"] as const;

/** Ratios are throughput of latchkey over throughput of jose: above 1 is faster. */
export async function measureVerify(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const algorithm of ALGORITHMS) {
    const issuer = await createTestIssuer({ algorithm });
    const token = await issuer.mint();
    const [jwk] = issuer.jwks().keys;
    if (jwk === undefined) throw new Error("the test issuer has no key");
    const key = await importJWK(jwk, algorithm);
    const trusted = {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: [algorithm],
      keys: issuer.jwks(),
    };
    await using warm = createVerifier({ issuers: [trusted] });
    await using cold = createVerifier({ issuers: [trusted], tokenCache: false });
    await warm.verify(token);
    const bench = new Bench({ time: 500 });
    bench
      .add("jose", () => jwtVerify(token, key, { issuer: issuer.issuer, audience: issuer.audience, typ: "at+jwt" }))
      .add("cold", () => cold.verify(token))
      .add("warm", () => warm.verify(token));
    await bench.run();
    const [jose, coldTask, warmTask] = bench.tasks.map(({ result }) =>
      result.state === "completed" ? result.throughput.mean : Number.NaN,
    );
    if (jose === undefined || coldTask === undefined || warmTask === undefined) throw new Error("a task did not run");
    figures.push(
      { name: `verify ${algorithm}, never seen before, throughput against jose`, value: coldTask / jose, unit: "x" },
      { name: `verify ${algorithm}, seen before, throughput against jose`, value: warmTask / jose, unit: "x" },
    );
  }
  return figures;
}
