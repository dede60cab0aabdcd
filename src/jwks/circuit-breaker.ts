/** Whether it makes sense to ask at all. */
export interface CircuitBreaker {
  /** Whether too many tries in a row have failed: then one single try at a time is made, and seldom. */
  readonly isOpen: boolean;
  /** Failures since the last success. */
  readonly failures: number;
  /** Counts a failure; from the given number on, the circuit is open. */
  onFailure(): void;
  /** Forgets all failures and closes the circuit. */
  onSuccess(): void;
}

/**
 * Creates a {@link CircuitBreaker}, closed.
 *
 * @param threshold - How many failures in a row open it.
 * @param onChange - Told when it opens and when it closes.
 */
export function createCircuitBreaker(threshold: number, onChange: (open: boolean) => void): CircuitBreaker {
  let failures = 0;
  return {
    get isOpen() {
      return failures >= threshold;
    },
    get failures() {
      return failures;
    },
    onFailure() {
      failures++;
      if (failures === threshold) onChange(true);
    },
    onSuccess() {
      const wasOpen = failures >= threshold;
      failures = 0;
      if (wasOpen) onChange(false);
    },
  };
}
