/** Whatever a task may throw, or return, arrives or fails its own call, and the pool goes on. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { BrokenProcessPoolError, Pool, SerializationError } from "../../mod.ts";
import { rejection, test } from "../../testing/counted_workers.ts";
import { goesOn, square } from "./helpers.ts";

test("a task may throw anything", async () => {
  await using pool = new Pool(2);
  const thrown: [() => unknown, unknown][] = [
    [() => {
      throw undefined;
    }, undefined],
    [() => {
      throw null;
    }, null],
    [() => {
      throw 0;
    }, 0],
    [() => {
      throw { code: 7 };
    }, { code: 7 }],
    [() => Promise.reject("text"), "text"],
  ];
  for (const [run, expected] of thrown) {
    assertEquals(await rejection(pool.apply(run)), expected);
    assertEquals(await rejection(pool.map(run, [1])), expected);
    assertEquals(await rejection(pool.imap(run, [1]).next()), expected);
  }
  await goesOn(pool);
});

test("an AggregateError arrives with its errors, a DOMException with its name, Deno's errors as what they are", async () => {
  await using pool = new Pool(1);
  const many = await rejection(pool.apply(() => {
    throw new AggregateError([new TypeError("a"), "b"], "many");
  }));
  assertInstanceOf(many, AggregateError);
  assertInstanceOf(many.errors[0], TypeError);
  assertEquals([many.message, many.errors.length, many.errors[1]], ["many", 2, "b"]);
  const aborted = await rejection(pool.apply(() => {
    throw new DOMException("gone", "AbortError");
  }));
  assertInstanceOf(aborted, DOMException);
  assertEquals([aborted.name, aborted.message], ["AbortError", "gone"]);
  const missing = await rejection(pool.apply(() => {
    throw new Deno.errors.NotFound("nothing there");
  }));
  assertInstanceOf(missing, Deno.errors.NotFound);
  const denied = await rejection(pool.apply(() => Deno.readTextFileSync("/no/such/file")));
  assertInstanceOf(denied, Error);
});

test("an error with a getter that throws, with what cannot be sent, or that is cyclic, arrives", async () => {
  await using pool = new Pool(1);
  const getter = await rejection(pool.apply(() => {
    throw Object.defineProperty(new RangeError("getter"), "bad", {
      enumerable: true,
      get() {
        throw new Error("no");
      },
    });
  }));
  assertInstanceOf(getter, RangeError);
  const socket = await rejection(pool.apply(() => {
    throw Object.assign(new RangeError("socket"), { deep: { held: new WeakMap() } });
  }));
  assertInstanceOf(socket, Error);
  assertEquals([socket.name, socket.message], ["RangeError", "socket"]);
  const cyclic = await rejection(pool.apply(() => {
    const error = new Error("cyclic");
    error.cause = error;
    throw error;
  }));
  assertInstanceOf(cyclic, Error);
  assert(cyclic.cause === cyclic);
  const message = await rejection(pool.apply(() => {
    throw Object.defineProperty(new Error(), "message", {
      get() {
        throw new Error("no");
      },
    });
  }));
  assertInstanceOf(message, Error);
  const symbol = await rejection(pool.apply(() => {
    throw Symbol("s");
  }));
  assertInstanceOf(symbol, SerializationError);
  const frozen = await rejection(pool.apply(() => {
    throw Object.freeze(new TypeError("frozen"));
  }));
  assertInstanceOf(frozen, TypeError);
  await goesOn(pool);
});

test("arguments and results with getters that throw fail their own call", async () => {
  await using pool = new Pool(2);
  const trap = {
    get bad(): number {
      throw new Error("trap");
    },
  };
  const error = await rejection(pool.apply((x: unknown) => x, [trap]));
  assertInstanceOf(error, SerializationError);
  assertStringIncludes(error.message, "trap");
  assertInstanceOf(error.cause, Error);
  const result = await rejection(pool.apply(() => ({
    get bad() {
      throw new Error("trap");
    },
  })));
  assertInstanceOf(result, SerializationError);
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assertInstanceOf(await rejection(pool.apply((x: unknown) => typeof x, [deep])), SerializationError);
  const thenable = await rejection(pool.apply(() => ({
    get then() {
      throw new Error("trap");
    },
  })));
  assertInstanceOf(thenable, SerializationError);
  await goesOn(pool);
});

test("revoked proxies, frozen errors and a patched console cost no task", async () => {
  await using pool = new Pool(1);
  const revoked = (): unknown => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  assertInstanceOf(await rejection(pool.apply(revoked)), SerializationError);
  assertInstanceOf(
    await rejection(pool.apply(() => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      throw proxy;
    })),
    SerializationError,
  );
  for (
    const run of [
      () => {
        throw Object.freeze(new ReferenceError("x is not defined"));
      },
      async () => {
        await Promise.resolve();
        throw Object.freeze(new ReferenceError("x is not defined"));
      },
    ]
  ) assertInstanceOf(await rejection(pool.apply(run)), ReferenceError);
  const suppressed = await rejection(pool.apply(() => {
    throw new SuppressedError(new RangeError("a"), "b", "both");
  })) as SuppressedError;
  assertInstanceOf(suppressed.error, RangeError);
  assertEquals([suppressed.message, suppressed.suppressed], ["both", "b"]);
  await goesOn(pool);
});

test("values that change while they are read fail their own call", async () => {
  await using pool = new Pool(1);
  const odd = (): unknown => {
    let reads = 0;
    return {
      get x() {
        if (reads++ % 2 === 0) throw new Error("odd");
        return 1;
      },
    };
  };
  await using scoped = new Pool(1, { scope: { odd } });
  assertInstanceOf(
    await rejection(scoped.apply(() => {
      throw odd();
    })),
    SerializationError,
  );
  assertInstanceOf(await rejection(scoped.map(() => odd(), [1, 2])), SerializationError);
  assertInstanceOf(await rejection(pool.apply(odd)), SerializationError);
  await goesOn(scoped);
});

test("an initializer's error that cannot be read breaks the pool all the same", async () => {
  await using pool = new Pool(1, {
    initializer: () => {
      const { postMessage } = self as unknown as { postMessage: unknown }; // a function that only workers have
      throw Object.assign(new Error("init"), { cause: { postMessage, weak: new WeakMap() } });
    },
  });
  await assertRejects(() => pool.apply(square, [1]), BrokenProcessPoolError, "init");
});
