/** A value that shows itself only to who asks for it by name: never in a log, a JSON text or an inspected object. */
export interface Secret<T> {
  /** Gives the value. */
  reveal(): T;
}

/** Wraps a value so that printing what holds it shows `[secret]`. */
export function createSecret<T>(value: T): Secret<T> {
  const hidden = (): string => "[secret]";
  const secret = {
    reveal: () => value,
    toString: hidden,
    toJSON: hidden,
    // Node's util.inspect asks for this symbol; it is registered, so no import of node:util is needed.
    [Symbol.for("nodejs.util.inspect.custom")]: hidden,
  };
  return secret;
}
