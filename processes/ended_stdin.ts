/**
 * The standard input of a child process, as its tasks find it.
 *
 * @module
 */

/** Lets tasks find their standard input at its end: the requests come there. The modules of Node use the same object. */
export function endStdin(stdin: object): void {
  const ended = {
    readSync: () => null,
    read: () => Promise.resolve(null),
    isTerminal: () => false,
    setRaw: () => {},
    close: () => {},
  };
  for (const [key, value] of Object.entries(ended)) {
    Object.defineProperty(stdin, key, { value, configurable: true, writable: true });
  }
  Object.defineProperty(stdin, "readable", {
    configurable: true,
    get: () => new ReadableStream({ start: (controller) => controller.close() }),
  });
}
