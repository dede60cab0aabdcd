// A service that starts under load: how often the issuers are asked.
import { createJwks, createJwksRegistry } from "latchkey/jwks";
import { createTestIssuer } from "latchkey/testing";
import { startJwksServer } from "../test/support/jwks-server.ts";
import type { Figure } from "./figure.ts";

const TENANTS = 10;
const PROVIDERS_PER_TENANT = 10;
const CALLERS_PER_PROVIDER = 100;

/** Requests caused by callers who all come before the first answer, for one provider and for many. */
export async function measureCold(): Promise<Figure[]> {
  const issuer = await createTestIssuer();
  const query = { kid: issuer.kid, alg: "ES256" };
  const figures: Figure[] = [];
  {
    await using server = await startJwksServer({ body: issuer.jwks() });
    using jwks = createJwks(server.url, { allowLoopbackHttp: true });
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: 1_000 }, () => jwks.getKey(query)));
    const elapsedMs = performance.now() - startedMs;
    figures.push(
      { name: "1,000 cold callers, requests", value: server.hits, unit: "", min: 1, max: 1 },
      { name: "1,000 cold callers, all answered after", value: elapsedMs, unit: "ms" },
    );
  }
  {
    await using server = await startJwksServer({ body: issuer.jwks() });
    await using registry = createJwksRegistry({ defaults: { allowLoopbackHttp: true } });
    const providers = Array.from({ length: TENANTS * PROVIDERS_PER_TENANT }, (_, index) => ({
      tenantId: `tenant-${index % TENANTS}`,
      providerId: `provider-${index}`,
    }));
    for (const ids of providers) registry.register({ ...ids, url: `${server.url}?${ids.providerId}` });
    const startedMs = performance.now();
    await Promise.all(
      providers.flatMap(({ tenantId, providerId }) =>
        Array.from({ length: CALLERS_PER_PROVIDER }, () => registry.resolve(tenantId, providerId, issuer.kid)),
      ),
    );
    const elapsedMs = performance.now() - startedMs;
    const name = `${providers.length} cold providers, ${CALLERS_PER_PROVIDER} callers each`;
    const { length: count } = providers;
    figures.push(
      { name: `${name}, requests`, value: server.hits, unit: "", min: count, max: count },
      { name: `${name}, all answered after`, value: elapsedMs, unit: "ms" },
    );
  }
  return figures;
}
