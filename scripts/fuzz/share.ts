/** The part of a run that one thread does. */
export interface Share {
  readonly seed: number;
  /** Number of its first case. */
  readonly first: number;
  /** Number of the case after the last one. */
  readonly end: number;
  /** From one of its cases to the next. */
  readonly step: number;
}

/** How many of each kind of mutant got each answer. */
export type Answers = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What came of a share. */
export interface Tally {
  readonly answers: Answers;
  /** How many of the cases were about proofs. */
  readonly proofs: number;
  /** What should not have been so, and with it what is needed to see it again. */
  readonly findings: readonly string[];
}
