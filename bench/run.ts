// Measures latchkey beside its peers in one run, and prints figures; with --check fails when one misses its bound.
import { formatFigure, isKept } from "./figure.ts";
import { measureHostileBody } from "./hostile-body.ts";
import { measureVerify } from "./verify.ts";

const check = process.argv.includes("--check");
let missed = 0;
for (const measure of [measureVerify, measureHostileBody]) {
  for (const figure of await measure()) {
    console.log(formatFigure(figure));
    if (!isKept(figure)) missed++;
  }
}
if (missed > 0) console.error(`${missed} figures missed their bound`);
process.exitCode = check && missed > 0 ? 1 : 0;
