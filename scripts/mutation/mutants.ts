import type { Mutant } from "./mutant.ts";
import { mutantsA } from "./mutants-a.ts";
import { mutantsB } from "./mutants-b.ts";
import { mutantsC } from "./mutants-c.ts";
import { mutantsD } from "./mutants-d.ts";
import { mutantsE } from "./mutants-e.ts";
import { mutantsF } from "./mutants-f.ts";
import { mutantsG } from "./mutants-g.ts";
import { mutantsJ } from "./mutants-j.ts";

/** All mutants, in the order of docs/threats.md. */
export const MUTANTS: readonly Mutant[] = [
  ...mutantsA,
  ...mutantsB,
  ...mutantsC,
  ...mutantsD,
  ...mutantsE,
  ...mutantsF,
  ...mutantsG,
  ...mutantsJ,
];
