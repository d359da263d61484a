/**
 * The abort signal of a task that runs.
 *
 * @module
 */

/** Tells a task that its result is no longer wanted. */
export class TaskSignal {
  /** The signal, as the task gets it. */
  readonly signal: AbortSignal;
  readonly #controller: AbortController;

  /**
   * `look` is called before the signal says whether it is aborted: code that never comes back to its event loop learns of an abort in
   * this way. It may call {@linkcode TaskSignal.abort}.
   */
  constructor(look: () => void) {
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    const { prototype } = AbortSignal;
    for (const key of ["aborted", "reason"] as const) {
      const { get } = Reflect.getOwnPropertyDescriptor(prototype, key)!;
      Object.defineProperty(signal, key, {
        configurable: true,
        enumerable: true,
        get: () => {
          look();
          return get!.call(signal) as unknown;
        },
      });
    }
    const { throwIfAborted } = prototype;
    Object.defineProperty(signal, "throwIfAborted", {
      configurable: true,
      writable: true,
      value: () => {
        look();
        throwIfAborted.call(signal);
      },
    });
    this.signal = signal;
  }

  /** Aborts the signal. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }
}
