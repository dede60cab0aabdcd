/** An abort signal that is made when somebody looks at it: making one costs more than many a call that never does. */
export interface LazyAbort {
  /** For whoever may look at the signal. */
  readonly options: { readonly signal: AbortSignal };
  /** Whether the signal has been looked at, or its controller taken. Before that, nobody can tell it from a new one. */
  readonly isTaken: boolean;
  /** Gives what aborts the signal. */
  take(): AbortController;
}

/** Creates a {@link LazyAbort}. */
export function createLazyAbort(): LazyAbort {
  let controller: AbortController | undefined;
  const take = (): AbortController => {
    controller ??= new AbortController();
    return controller;
  };
  return {
    options: {
      get signal() {
        return take().signal;
      },
    },
    get isTaken() {
      return controller !== undefined;
    },
    take,
  };
}
