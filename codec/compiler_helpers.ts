/**
 * Helpers of compilers and bundlers. These tools write calls of helpers into functions, and the helpers into the module
 * around them. A function that travels by source loses its helpers, so this file has the small ones, under their names.
 *
 * @module
 */

/* The helpers are called with any values that the compiler has written into the call. */
type Thing = Record<PropertyKey, unknown>;
type Method = (...args: unknown[]) => unknown;

const { defineProperty } = Object;

/** A value of a `using` declaration: the function that disposes of it, if any, and whether the result is awaited. */
interface Resource {
  readonly dispose: (() => unknown) | undefined;
  readonly async: boolean;
}

function resourceOf(value: unknown, async: boolean): Resource | undefined {
  if (value === null || value === undefined) return async ? { dispose: undefined, async } : undefined;
  if (typeof value !== "object" && typeof value !== "function") throw new TypeError("Object expected");
  const thing = value as Thing;
  let dispose = async ? thing[Symbol.asyncDispose] : undefined;
  const own = dispose !== undefined && dispose !== null;
  if (!own) dispose = thing[Symbol.dispose];
  if (typeof dispose !== "function") throw new TypeError("Object not disposable");
  const call = (): unknown => Reflect.apply(dispose as Method, value, []);
  // The result of a synchronous `dispose` is not awaited.
  return { dispose: async && !own ? () => void call() : call, async };
}

/** Disposes of the resources on a stack, the last one first, then throws the error that was given or that occurred. */
function disposeAll(stack: (Resource | undefined)[], error: unknown, failed: boolean): unknown {
  const fail = (later: unknown): void => {
    error = failed ? new SuppressedError(later, error, "An error was suppressed during disposal") : later;
    failed = true;
  };
  const next = (): unknown => {
    while (stack.length > 0) {
      const resource = stack.pop();
      if (resource === undefined) continue;
      try {
        const result = resource.dispose?.();
        if (resource.async) return Promise.resolve(result).then(next, (later) => (fail(later), next()));
      } catch (later) {
        if (resource.async) return Promise.reject(later).catch((later) => (fail(later), next()));
        fail(later);
      }
    }
    if (failed) throw error;
    return undefined;
  };
  return next();
}

/** The state of a block with `using`, in the form of TypeScript. */
interface UsingEnvironment {
  readonly stack: (Resource | undefined)[];
  error: unknown;
  hasError: boolean;
}

function addDisposable(env: UsingEnvironment, value: unknown, async: boolean): unknown {
  env.stack.push(resourceOf(value, async));
  return value;
}

const disposeResources = (env: UsingEnvironment): unknown => disposeAll(env.stack, env.error, env.hasError);

/** Returns the state of a block with `using`, in the form of Babel and SWC. */
function usingContext(): object {
  const stack: (Resource | undefined)[] = [];
  const none = {};
  const use = (async: boolean) => (value: unknown): unknown => {
    stack.push(resourceOf(value, async));
    return value;
  };
  return {
    e: none,
    u: use(false),
    a: use(true),
    d(this: { e: unknown }): unknown {
      return disposeAll(stack, this.e, this.e !== none);
    },
  };
}

function define(target: Thing, key: PropertyKey, value: unknown): unknown {
  defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}

function named(target: object, value: string): object {
  return defineProperty(target, "name", { value, configurable: true });
}

function spread(target: Thing, source: Thing | null | undefined): Thing {
  for (const key of Reflect.ownKeys(source ?? {})) {
    if (Object.prototype.propertyIsEnumerable.call(source, key)) define(target, key, source![key]);
  }
  return target;
}

function without(source: Thing, excluded: readonly PropertyKey[]): Thing {
  const rest = spread({}, source);
  for (const key of excluded) delete rest[typeof key === "symbol" ? key : String(key)];
  return rest;
}

/** Runs a generator as if it were an asynchronous function. */
function runAsync(generator: Iterator<unknown, unknown, unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const step = (move: () => IteratorResult<unknown, unknown>): void => {
      try {
        const { done, value } = move();
        if (done === true) return resolve(value);
        Promise.resolve(value).then(
          (sent) => step(() => generator.next(sent)),
          (error) => step(() => generator.throw!(error)),
        );
      } catch (error) {
        reject(error);
      }
    };
    step(() => generator.next());
  });
}

type MakeGenerator = (...args: unknown[]) => Iterator<unknown, unknown, unknown>;

function refuse(message: string): never {
  throw new TypeError(message);
}

interface Members {
  has(object: unknown): boolean;
  get(object: unknown): unknown;
  set(object: unknown, value: unknown): void;
  add(object: unknown): void;
}

function check(members: Members, object: unknown, what: string): void {
  if (!members.has(object)) refuse(`Cannot ${what}`);
}

/** Stands for the counters of a coverage tool. It discards every count, as the tool reads no counters in workers. */
const counters: object = new Proxy(() => {}, {
  get: (_, key) => key === Symbol.toPrimitive ? () => 0 : counters,
  set: () => true,
  apply: () => counters,
});

/** The helpers of esbuild (and tsx, and `deno bundle`), TypeScript, SWC and Babel, by name. */
const HELPERS: Readonly<Record<string, unknown>> = {
  __proto__: null,
  __name: named,
  __using(stack: (Resource | undefined)[], value: unknown, async?: boolean): unknown {
    stack.push(resourceOf(value, async === true));
    return value;
  },
  __callDispose: disposeAll,
  __addDisposableResource: addDisposable,
  __disposeResources: disposeResources,
  _ts_add_disposable_resource: addDisposable,
  _ts_dispose_resources: disposeResources,
  _using_ctx: usingContext,
  _usingCtx: usingContext,
  __knownSymbol: (name: string): unknown =>
    (Symbol as unknown as Record<string, unknown>)[name] ?? Symbol.for(`Symbol.${name}`),
  __typeError: refuse,
  __assign: Object.assign,
  __spreadValues: spread,
  __spreadProps: (target: object, source: object): object =>
    Object.defineProperties(target, Object.getOwnPropertyDescriptors(source)),
  _object_spread: (target: Thing, ...sources: Thing[]): Thing => sources.reduce(spread, target),
  _object_spread_props: (target: object, source: object): object =>
    Object.defineProperties(target, Object.getOwnPropertyDescriptors(source ?? {})),
  __objRest: without,
  __rest: without,
  _object_without_properties: without,
  __publicField(target: Thing, key: PropertyKey, value: unknown): unknown {
    return define(target, typeof key === "symbol" ? key : `${String(key)}`, value);
  },
  __defNormalProp: define,
  _define_property(target: Thing, key: PropertyKey, value: unknown): unknown {
    define(target, key, value);
    return target;
  },
  __pow: Math.pow,
  __spreadArray: (to: unknown[], from: ArrayLike<unknown>): unknown[] => [...to, ...Array.from(from)],
  _to_consumable_array: (items: Iterable<unknown>): unknown[] => [...items],
  __awaiter: (self: unknown, args: unknown[], _: unknown, make: MakeGenerator): Promise<unknown> =>
    runAsync(Reflect.apply(make, self, args ?? [])),
  __async: (self: unknown, args: unknown[] | null, make: MakeGenerator): Promise<unknown> =>
    runAsync(Reflect.apply(make, self, args ?? [])),
  _async_to_generator: (make: MakeGenerator) =>
    function (this: unknown, ...args: unknown[]): Promise<unknown> {
      return runAsync(Reflect.apply(make, this, args));
    },
  __values: (items: Iterable<unknown>): Iterator<unknown> => items[Symbol.iterator](),
  __asyncValues: (items: Partial<AsyncIterable<unknown> & Iterable<unknown>>): unknown =>
    items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator]!(),
  __privateGet(object: unknown, members: Members, getter?: Method): unknown {
    check(members, object, "read from private field");
    return getter === undefined ? members.get(object) : Reflect.apply(getter, object, []);
  },
  __privateSet(object: unknown, members: Members, value: unknown, setter?: Method): unknown {
    check(members, object, "write to private field");
    if (setter === undefined) members.set(object, value);
    else Reflect.apply(setter, object, [value]);
    return value;
  },
  __privateAdd(object: unknown, members: Members, value: unknown): void {
    if (members.has(object)) refuse("Cannot add the same private member more than once");
    if (members instanceof WeakSet) members.add(object as object);
    else members.set(object, value);
  },
  __privateMethod(object: unknown, members: Members, method: unknown): unknown {
    check(members, object, "access private method");
    return method;
  },
  __privateIn: (members: Members, object: unknown): boolean =>
    Object(object) === object ? members.has(object) : refuse("Cannot use the 'in' operator on this value"),
};

/** Matches names that only compilers use, of helpers in this file and of others. */
const HELPER_NAME =
  /^(?:__[a-z][A-Za-z]+\d*|_(?:ts|apply_decs|async|await|class|object|define|using|to|create|wrap|sliced|array|iterable|unsupported|non|overload|check|extends|inherits|call|instanceof|type|super|possible|get|set|tagged|interop)(?:_\w+|[A-Z]\w*)|cov_\w+)$/;

/** Returns whether a name is probably that of a compiler's helper. */
export function isHelperName(name: string): boolean {
  return HELPER_NAME.test(name);
}

const CANDIDATE = /(?<![\w$.])(?:__?[a-zA-Z]\w*|cov_\w+)/g;

/** Returns the helpers that a source refers to, except names that are taken. */
export function helpersIn(source: string, taken: readonly string[]): { names: string[]; values: unknown[] } {
  const names: string[] = [];
  const values: unknown[] = [];
  if (!source.includes("_")) return { names, values };
  for (const name of new Set(source.match(CANDIDATE))) {
    // A bundler appends a number to the second helper of a name.
    const value = name.startsWith("cov_") ? () => counters : HELPERS[name] ?? HELPERS[name.replace(/\d+$/, "")];
    if (value === undefined || taken.includes(name)) continue;
    names.push(name);
    values.push(value);
  }
  return { names, values };
}
