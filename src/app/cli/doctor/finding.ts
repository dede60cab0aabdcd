/** What a check of this machine found. */
export interface Finding {
  /** `wrong` keeps something from working. */
  readonly state: "ok" | "note" | "wrong";
  /** One line; for what is wrong, with what to do. */
  readonly text: string;
}
