import type { JwksEvent } from "../../src/jwks/jwks-event.js";

type EventOf<T extends JwksEvent["type"]> = Extract<JwksEvent, { readonly type: T }>;

/** What a key cache has told. */
export interface JwksEvents {
  /** Everything, in order. */
  readonly all: readonly JwksEvent[];
  /** The events of one type, in order. */
  of<T extends JwksEvent["type"]>(type: T): readonly EventOf<T>[];
  /** Resolves when that many events of a type have come. */
  reached(type: JwksEvent["type"], count: number): Promise<void>;
  /** Give it to the cache. */
  readonly onEvent: (event: JwksEvent) => void;
}

/** Creates a record of what a key cache tells. */
export function createJwksEvents(): JwksEvents {
  const all: JwksEvent[] = [];
  const waiting = new Set<() => void>();
  const of = <T extends JwksEvent["type"]>(type: T): readonly EventOf<T>[] =>
    all.filter((event): event is EventOf<T> => event.type === type);
  return {
    all,
    of,
    reached: (type, count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (of(type).length < count) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    onEvent(event) {
      all.push(event);
      for (const check of waiting) check();
    },
  };
}
