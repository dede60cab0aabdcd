import { setTimeout as sleep } from "node:timers/promises";
import type { OwnIssuer } from "../../server/own-issuer.js";
import { createIssuedClient } from "./issued-client.js";
import { check, type Tour } from "./tour.js";
import type { Workspace } from "./workspace.js";

const CALLERS = 4;
/** How many calls each key has to serve. */
const CALLS_PER_KEY = 50;
const LONGEST_MS = 20_000;

/** Rotates the signing key of the server while calls with freshly issued tokens go on. */
export async function showRotation(
  tour: Tour,
  workspace: Workspace,
  { server, issuer, signal }: { readonly server: string; readonly issuer: OwnIssuer; readonly signal: AbortSignal },
): Promise<void> {
  await tour.step("The signing key rotated, during calls", async () => {
    const claims = { subject: "operator", org: "acme", roles: ["admin"] };
    const client = createIssuedClient(server, issuer.tokens, claims);
    const old = (await issuer.keyRing.signingKey()).kid;
    const oldToken = (await issuer.tokens.issue(claims)).value;
    const calls = new Map<string, number>();
    let done = false;
    let failed = 0;
    const call = async (): Promise<void> => {
      const { kid } = await issuer.keyRing.signingKey();
      await client.listJobs({ orgId: "acme", pageSize: 1 }).catch(() => failed++);
      calls.set(kid, (calls.get(kid) ?? 0) + 1);
      await sleep(10);
    };
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!done && !signal.aborted) await call();
    });
    try {
      const untilMs = performance.now() + LONGEST_MS;
      const until = async (isSo: () => boolean, claim: string): Promise<void> => {
        while (!isSo()) {
          check(performance.now() < untilMs, claim);
          signal.throwIfAborted();
          await sleep(50);
        }
      };
      await until(() => (calls.get(old) ?? 0) >= CALLS_PER_KEY, "calls go on with the first key");
      await workspace.succeed(["keys", "rotate", "--data-dir", workspace.dataDir]);
      const count = (): number => [...calls].reduce((sum, [kid, n]) => (kid === old ? sum : sum + n), 0);
      await until(() => count() >= CALLS_PER_KEY, "the new key signs after its grace period");
    } finally {
      done = true;
      await Promise.all(callers);
    }
    const kept = await client.listJobs({ orgId: "acme" }, { headers: { authorization: `Bearer ${oldToken}` } });
    check(kept.jobs.length > 0, "a token of the old key is still accepted");
    const total = [...calls.values()].reduce((sum, n) => sum + n, 0);
    check(failed === 0, `none of ${total} calls failed, ${failed} did`);
    const shares = [...calls].map(([kid, n]) => `${n} signed with ${kid.slice(0, 8)}`).join(", ");
    return `${total} calls, 0 failed: ${shares}`;
  });
}
