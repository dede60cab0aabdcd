/** What has been opened so far, to be closed together. */
export interface Resources extends AsyncDisposable {
  /** Adds something that can be disposed. */
  use(resource: Disposable | AsyncDisposable): void;
  /** Adds a way of closing something. */
  defer(close: () => Promise<void>): void;
}

/**
 * Creates {@link Resources}: closed in reverse order, one after the other, each once, and all of them also when one
 * fails; the first failure is then thrown.
 *
 * As the built-in `AsyncDisposableStack` does, which Node.js 22 does not have.
 */
export function createResources(): Resources {
  const closers: (() => unknown)[] = [];
  return {
    use(resource) {
      closers.push(() =>
        Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose](),
      );
    },
    defer(close) {
      closers.push(close);
    },
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
