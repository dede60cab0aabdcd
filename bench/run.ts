// Measures latchkey beside its peers in one run, and prints figures; with --check fails when one misses its bound.
import { measureClient } from "./client.ts";
import { formatFigure, isKept } from "./figure.ts";
import { measureHostileBody } from "./hostile-body.ts";
import { measureCold } from "./jwks-cold.ts";
import { measureFlood } from "./jwks-flood.ts";
import { measureLookup } from "./jwks-lookup.ts";
import { measureRestore } from "./restore.ts";
import { measureVerify } from "./verify.ts";

const check = process.argv.includes("--check");
let missed = 0;
// The last one fails where no Redis answers; by then the others have told their figures.
for (const measure of [
  measureVerify,
  measureClient,
  measureHostileBody,
  measureCold,
  measureFlood,
  measureLookup,
  measureRestore,
]) {
  for (const figure of await measure()) {
    console.log(formatFigure(figure));
    if (!isKept(figure)) missed++;
  }
}
if (missed > 0) console.error(`${missed} figures missed their bound`);
process.exitCode = check && missed > 0 ? 1 : 0;
