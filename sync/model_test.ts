import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Action, Model, type ModelThread, type Scene } from "../testing/model_checker.ts";
import { atomics } from "./internal/atomics.ts";
import { CRITICAL_SECTION, CriticalSection } from "./internal/critical_section.ts";
import { MUTEX, RobustMutex } from "./internal/robust_mutex.ts";
import { ReentrantMutex } from "./internal/reentrant_mutex.ts";
import { RecordRing, RING, ringMemory } from "./internal/record_ring.ts";
import { ThreadTable } from "./internal/thread_table.ts";
import { type Ownership, unowned } from "./internal/member.ts";
import { waitFor } from "./internal/wait.ts";
import { HINTED_WAIT_SET, HintedWaitSet, WAIT_SET, WaitSet } from "./internal/wait_set.ts";
import { Barrier } from "./barrier.ts";
import { Condition } from "./condition.ts";
import { Event } from "./event.ts";
import { Lock } from "./lock.ts";
import { RLock } from "./rlock.ts";
import { Queue } from "./queue.ts";
import { Semaphore } from "./semaphore.ts";

/** The results of each thread, with those of its actions separated by spaces. */
type Check = (...threads: string[]) => boolean;

/** Explores every order, which must be at least `least` states, and checks the result of each order. */
function proves(
  name: string,
  threads: number,
  least: number,
  make: (scene: Scene) => readonly (ModelThread | (() => unknown)[])[],
  check: Check,
): void {
  Deno.test(`in every order: ${name}`, () => {
    const outcome = modelOf(threads, make, check).explore();
    assert(outcome.failure === undefined, outcome.failure);
    assert(outcome.states >= least, `only ${outcome.states} states`);
  });
}

function modelOf(
  threads: number,
  make: (scene: Scene) => readonly (ModelThread | (() => unknown)[])[],
  check: Check,
): Model {
  return new Model(
    threads,
    (scene) => make(scene).map((one) => Array.isArray(one) ? { actions: one.map((run) => ({ run })) } : one),
    (results) => {
      const told = results.map((thread) => thread.join(" "));
      return check(...told) ? undefined : `wrong end: ${JSON.stringify(told)}`;
    },
  );
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function words(size: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(size * 4));
}

// Errors that the model checker must find.

Deno.test("the model finds that two threads are inside at once", () => {
  const { failure } = modelOf(2, ({ section }) => times(2, () => [() => section.run()]), () => true).explore();
  assertStringIncludes(failure!, "touch the same bytes at once");
});

Deno.test("the model finds a wake-up that is lost", () => {
  const state = words(1);
  const set = words(WAIT_SET);
  const make = (late: boolean) => (scene: Scene) => [
    [scene.on(0, (member) => () => {
      const place = new WaitSet(set, 0, member, 1);
      const looked = () => atomics.load(state, 0) === 1;
      if (!late) return waitFor(member, place, looked, Infinity);
      // Checks the state first, then announces the wait.
      const heard = member.prepareWait();
      if (looked()) return true;
      place.enter(member);
      member.sleep(heard, Infinity);
      return true;
    })],
    [scene.on(1, (member) => () => {
      atomics.store(state, 0, 1);
      return new WaitSet(set, 0, member, 1).wakeOne();
    })],
  ];
  assertEquals(modelOf(2, make(false), () => true).explore().failure, undefined);
  assertStringIncludes(modelOf(2, make(true), () => true).explore().failure!, "thread 0 waits for ever");
});

Deno.test("the model finds an update that is lost", () => {
  const count = words(1);
  const increment = () => atomics.store(count, 0, atomics.load(count, 0) + 1);
  const look = () => atomics.load(count, 0);
  const model = modelOf(2, () => times(2, () => [increment, look]), (a, b) => a.endsWith("2") || b.endsWith("2"));
  assertStringIncludes(model.explore().failure!, "wrong end");
});

// Locks.

const locked = (scene: Scene, mutexOf: (thread: number) => RobustMutex, thread: number): (() => unknown)[] => {
  const mutex = mutexOf(thread);
  return [() => mutex.acquire(Infinity), () => scene.section.run(), () => mutex.release()];
};

function mutexes(scene: Scene): (thread: number) => RobustMutex {
  const memory = words(MUTEX);
  return (thread) => scene.on(thread, (member) => new RobustMutex(memory, 0, member, 1));
}

const PASSED = "true undefined true";

proves("a lock, taken twice by two threads", 2, 5000, (scene) => {
  const mutexOf = mutexes(scene);
  return times(2, (i) => [...locked(scene, mutexOf, i), ...locked(scene, mutexOf, i)]);
}, (...all) => all.every((one) => one === `${PASSED} ${PASSED}`));

proves("a lock, three threads", 3, 20_000, (scene) => {
  const mutexOf = mutexes(scene);
  return times(3, (i) => locked(scene, mutexOf, i));
}, (...all) => all.every((one) => one === PASSED));

proves("a lock, one of three gives up at any moment", 3, 20_000, (scene) => {
  const mutexOf = mutexes(scene);
  const impatient = mutexOf(2);
  return [
    ...times(2, (i) => locked(scene, mutexOf, i)),
    {
      actions: [
        { run: () => impatient.acquire(10), timed: true },
        { run: () => impatient.mine && impatient.release() },
      ],
    },
  ];
}, (a, b, c) => a === PASSED && b === PASSED && (c === "true true" || c === "false false"));

/** Ends a thread, as the handle of its worker does. */
const ends = (scene: Scene, thread: number): (() => unknown)[] => [
  () => scene.stop(thread),
  () => new ThreadTable(scene.threadTable).markDead(scene.ids[thread]!),
];

proves("a lock whose holder is terminated at any step", 3, 3000, (scene) => {
  const mutexOf = mutexes(scene);
  const [dying, other] = [mutexOf(0), mutexOf(1)];
  return [
    { actions: [{ run: () => dying.acquire(Infinity) && dying.release() }], mortal: true },
    [() => other.acquire(Infinity), () => other.release()],
    ends(scene, 0),
  ];
}, (_, other) => other === "true true");

proves("two that wait for a lock whose holder is terminated while it releases it", 3, 3000, (scene) => {
  const memory = words(MUTEX);
  const mutexOf = (thread: number) => scene.on(thread, (member) => new RobustMutex(memory, 0, member, 1));
  const [dying, ...others] = times(3, mutexOf);
  dying!.tryAcquire();
  const [stop, markDead] = ends(scene, 0);
  return [
    { actions: [{ run: () => dying!.release() }], mortal: true },
    [() => others[0]!.acquire(Infinity), () => others[0]!.release()],
    [stop!, markDead!, () => others[1]!.acquire(Infinity), () => others[1]!.release()],
  ];
}, (_, other, host) => other === "true true" && host === "undefined undefined true true");

proves("a lock, blocking against waiting in the event loop", 2, 300, (scene) => {
  const memory = words(MUTEX);
  const blocking = scene.on(0, (member) => new RobustMutex(memory, 0, member, 1));
  return [
    [() => blocking.acquire(Infinity), () => scene.section.run(), () => blocking.release()],
    [() =>
      scene.on(1, (member) => {
        const mutex = new RobustMutex(memory, 0, member, 1);
        mutex.acquireAsync(Infinity, undefined).catch(() => {}); // interrupted at each step of the model
        while (member.groups.size > 0) scene.turn();
        scene.section.run();
        return mutex.mine && mutex.release();
      })],
  ];
}, (blocking, waiting) => blocking === PASSED && waiting === "true");

proves("a guard, one of three threads inside is terminated at any step", 3, 10_000, (scene) => {
  const memory = words(CRITICAL_SECTION);
  const inside = (thread: number) =>
    scene.on(thread, (member) => {
      const guard = new CriticalSection(memory, 0, member, 1, () => scene.section.run());
      return () => guard.run(() => scene.section.run());
    });
  const [dying, other] = [inside(0), inside(1)];
  return [{ actions: [{ run: dying }], mortal: true }, [other], ends(scene, 0)];
}, (_, other) => other === "undefined");

// Re-entrant locks.

interface Flow {
  readonly mutex: ReentrantMutex;
  readonly guard: Ownership;
}

/** Runs `flow` as the event loop of a thread does. `settle()` returns when none of the waits of the flow is left. */
const flows = (
  scene: Scene,
  memory: Int32Array,
  thread: number,
  run: (mutex: ReentrantMutex, guard: () => Flow, settle: () => void, turn: () => void) => unknown,
): () => unknown =>
() =>
  // Made anew each time, as an action starts over for each step.
  scene.on(thread, (member) => {
    const mutex = new ReentrantMutex(memory, 0, member, 1);
    const guard = (): Flow => {
      const flow: Flow = { mutex, guard: unowned("guard") };
      mutex.acquireAsync(Infinity, undefined, flow.guard).catch(() => {});
      return flow;
    };
    return run(mutex, guard, () => {
      while (member.groups.size > 0) scene.turn();
    }, () => scene.turn());
  });

/** Acquires the lock twice by blocking, and releases it twice. */
const blocksTwice = (scene: Scene, memory: Int32Array, thread: number): () => unknown =>
  flows(scene, memory, thread, (mutex) => {
    mutex.acquire(Infinity);
    mutex.acquire(Infinity);
    scene.section.run();
    mutex.release();
    const still = mutex.mine;
    mutex.release();
    return `${still} ${mutex.mine}`;
  });

/** Acquires the lock twice for a guard. */
const awaitsTwice = (scene: Scene, memory: Int32Array, thread: number): () => unknown =>
  flows(scene, memory, thread, (mutex, take, settle) => {
    const { guard } = take();
    settle();
    mutex.acquireAgain(guard);
    scene.section.run();
    mutex.releaseGuard(guard);
    const still = mutex.mine;
    mutex.releaseGuard(guard);
    return `${still} ${mutex.mine}`;
  });

const HELD_TWICE = "true false";

proves("a reentrant lock, by blocking against a guard that holds it twice", 2, 300, (scene) => {
  const memory = words(MUTEX);
  return [[blocksTwice(scene, memory, 0)], [awaitsTwice(scene, memory, 1)]];
}, (...all) => all.every((one) => one === HELD_TWICE));

proves("a reentrant lock, two flows of one thread against another thread: one hold at a time", 2, 300, (scene) => {
  const memory = words(MUTEX);
  return [
    [blocksTwice(scene, memory, 0)],
    [flows(scene, memory, 1, (mutex, take, _settle, turn) => {
      const waiting = [take(), take()];
      let passed = "";
      while (waiting.length > 0) {
        const inside = waiting.filter(({ guard }) => guard.depth > 0);
        if (inside.length > 1) return "both";
        if (inside.length === 0) {
          turn();
          continue;
        }
        scene.section.run();
        mutex.releaseGuard(inside[0]!.guard);
        waiting.splice(waiting.indexOf(inside[0]!), 1);
        passed += "in ";
      }
      return `${passed}${mutex.mine}`;
    })],
  ];
}, (blocking, passed) => blocking === HELD_TWICE && passed === "in in false");

proves("a reentrant lock, a guard's thread is terminated at any step; one that blocks is next", 3, 3000, (scene) => {
  const memory = words(MUTEX);
  const dying = flows(scene, memory, 0, (mutex, take, settle) => {
    const { guard } = take();
    settle();
    mutex.releaseGuard(guard);
  });
  const next = flows(scene, memory, 1, (mutex) => {
    mutex.acquire(Infinity);
    mutex.release();
    return mutex.mine;
  });
  return [{ actions: [{ run: dying }], mortal: true }, [next], ends(scene, 0)];
}, (_, next) => next === "false");

proves("a reentrant lock, a thread is terminated at any step while it holds it; a guard is next", 3, 3000, (scene) => {
  const memory = words(MUTEX);
  const dying = flows(scene, memory, 0, (mutex) => {
    mutex.acquire(Infinity);
    mutex.release();
  });
  const next = flows(scene, memory, 1, (mutex, take, settle) => {
    const { guard } = take();
    settle();
    mutex.releaseGuard(guard);
    return mutex.mine;
  });
  return [{ actions: [{ run: dying }], mortal: true }, [next], ends(scene, 0)];
}, (_, next) => next === "false");

proves("a reentrant lock that a guard releases for a wait is as deep as before after it", 2, 300, (scene) => {
  const memory = words(MUTEX);
  return [
    [blocksTwice(scene, memory, 0)],
    [flows(scene, memory, 1, (mutex, take, settle) => {
      const { guard } = take();
      settle();
      mutex.acquireAgain(guard);
      mutex.reacquireAsync(mutex.releaseAll()).catch(() => {});
      settle();
      scene.section.run();
      mutex.releaseGuard(guard);
      const still = mutex.mine;
      mutex.releaseGuard(guard);
      return `${still} ${mutex.mine}`;
    })],
  ];
}, (...all) => all.every((one) => one === HELD_TWICE));

// Semaphores.

proves("a semaphore, two permits come for two that wait", 3, 5000, (scene) => {
  const { handle } = scene.on(0, () => new Semaphore(0));
  const of = (thread: number) => scene.on(thread, () => new Semaphore(handle));
  const [first, second, third] = [of(0), of(1), of(2)];
  return [[() => first.acquire()], [() => second.acquire()], [() => third.release(), () => third.release()]];
}, (a, b) => a === "true" && b === "true");

proves("a semaphore, one of two that wait gives up at any moment", 3, 5000, (scene) => {
  const { handle } = scene.on(0, () => new Semaphore(0));
  const of = (thread: number) => scene.on(thread, () => new Semaphore(handle));
  const [first, second, third] = [of(0), of(1), of(2)];
  return [
    // If the first thread gives up, a wake-up that it got is passed on.
    { actions: [{ run: () => first.acquire({ timeout: 10 }), timed: true }, { run: () => undefined }] },
    [() => second.acquire({ timeout: 1e6 })],
    [() => third.release(), () => third.getValue()],
  ];
}, (a, b) => (a.startsWith("true") && b === "false") || (a.startsWith("false") && b === "true"));

// Conditions.

const conditions = (scene: Scene, NewLock: typeof Lock | typeof RLock): (thread: number) => Condition => {
  const { handle } = scene.on(0, () => new Condition(new NewLock()));
  return (thread) => scene.on(thread, () => new Condition(handle));
};

const waits = (condition: Condition, timeout?: number): Action => ({
  run: () => {
    condition.acquire();
    const notified = condition.wait(timeout);
    condition.release();
    return notified;
  },
  timed: timeout !== undefined,
});

for (
  const [a, NewLock] of [["a condition", Lock], ["a condition of a reentrant lock, which wakes late", RLock]] as const
) {
  proves(`${a}, what is said under the lock is heard`, 2, 1000, (scene) => {
    const state = words(1);
    const of = conditions(scene, NewLock);
    const [hears, says] = [of(0), of(1)];
    return [
      [() => {
        hears.acquire();
        hears.waitFor(() => atomics.load(state, 0) === 1);
        hears.release();
      }],
      [() => {
        says.acquire();
        atomics.store(state, 0, 1);
        says.notify();
        says.release();
      }],
    ];
  }, (hears, says) => hears === "undefined" && says === "undefined");

  proves(
    `${a}, a notification while its only waiter gives up; nothing of it is left for the next wait`,
    2,
    5000,
    (scene) => {
      const of = conditions(scene, NewLock);
      const says = of(1);
      return [
        { actions: [waits(of(0), 10), waits(of(0), 10)], first: true },
        [() => {
          says.acquire();
          says.notify();
          says.release();
        }],
      ];
    },
    (heard) => ["true false", "false true", "false false"].includes(heard),
  );

  proves(
    `${a}, whoever has notified is terminated at any step before it has released the lock`,
    3,
    NewLock === Lock ? 5000 : 300,
    (scene) => {
      const state = words(1);
      const of = conditions(scene, NewLock);
      const dying = of(0);
      const [stop, markDead] = ends(scene, 0);
      return [
        {
          actions: [{
            run: () => {
              dying.acquire();
              dying.notify();
              atomics.store(state, 0, 1);
              dying.release();
            },
          }],
          mortal: true,
        },
        { actions: [waits(of(1))], first: true },
        [() => {
          if (atomics.load(state, 0) === 0) return;
          stop!();
          markDead!();
        }],
      ];
    },
    (_, heard) => heard === "true",
  );

  proves(`${a}, notifyAll() lets everyone go who waits`, 3, NewLock === Lock ? 5000 : 300, (scene) => {
    const of = conditions(scene, NewLock);
    const says = of(2);
    return [
      { actions: [waits(of(0))], first: true },
      { actions: [waits(of(1))], first: true },
      [() => {
        says.acquire();
        says.notifyAll();
        says.release();
      }],
    ];
  }, (a, b) => a === "true" && b === "true");
}

proves("a wait set where mostly nobody waits: two that wake, one that waits twice", 3, 5000, (scene) => {
  const [count, set] = [words(1), words(HINTED_WAIT_SET)];
  const of = (thread: number) => scene.on(thread, (member) => new HintedWaitSet(set, 0, member, 1));
  const takes = () => atomics.load(count, 0) > 0 && atomics.add(count, 0, -1) > 0;
  const gives = (thread: number) => () => {
    atomics.add(count, 0, 1);
    of(thread).wakeOne();
  };
  const waits = scene.on(2, (member) => () => waitFor(member, of(2), takes, Infinity));
  return [[gives(0)], [gives(1)], [waits, waits]];
}, (_1, _2, taken) => taken === "true true");

proves("a wait set where mostly nobody waits: two that wait, one that wakes twice", 3, 5000, (scene) => {
  const [count, set] = [words(1), words(HINTED_WAIT_SET)];
  const of = (thread: number) => scene.on(thread, (member) => new HintedWaitSet(set, 0, member, 1));
  const takes = (): boolean => {
    for (let left = atomics.load(count, 0); left > 0; left = atomics.load(count, 0)) {
      if (atomics.compareExchange(count, 0, left, left - 1) === left) return true;
    }
    return false;
  };
  const gives = (): void => {
    atomics.add(count, 0, 1);
    of(2).wakeOne();
  };
  const waits = (thread: number) => scene.on(thread, (member) => () => waitFor(member, of(thread), takes, Infinity));
  return [[waits(0)], [waits(1)], [gives, gives]];
}, (a, b) => a === "true" && b === "true");

// Rings and queues.

const rings = (scene: Scene): (thread: number) => RecordRing => {
  const memory = words(RING);
  const bytes = ringMemory();
  scene.on(0, (member) => new RecordRing(memory, 0, bytes, member, 1));
  return (thread) => scene.on(thread, (member) => new RecordRing(memory, 0, bytes, member, 1));
};

/** The cache of a ring is not part of the shared memory, so each action has a separate ring. */
const onOne = (of: () => RecordRing, ...steps: ((ring: RecordRing) => unknown)[]) => () => {
  const ring = of();
  return steps.map((step) => step(ring)).join(" ");
};
const put = (value: number) => (ring: RecordRing): boolean =>
  ring.put({ memory: new Uint8Array(4).fill(value), length: 4, messageId: 0 }, 9, () => {});
const get = (ring: RecordRing): string => ring.get(true)?.source.bytes.join("") ?? "none";
const puts = (of: () => RecordRing, value: number) => onOne(of, put(value));
const gets = (of: () => RecordRing) => onOne(of, get);

proves("a ring, two that put and one that gets", 3, 5000, (scene) => {
  const of = rings(scene);
  return [[puts(() => of(0), 1)], [puts(() => of(1), 2)], [gets(() => of(2))]];
}, (a, b, got) => a === "true" && b === "true" && ["none", "1111", "2222"].includes(got));

proves("a ring, two that get what one puts", 3, 5000, (scene) => {
  const of = rings(scene);
  return [[onOne(() => of(0), put(1), put(2))], [gets(() => of(1))], [gets(() => of(2))]];
}, (_, a, b) => ["1111 none", "1111 2222", "none none"].includes([a, b].toSorted().join(" ")));

proves(
  "a ring, one that puts is terminated at any step",
  2,
  1000,
  (scene) => {
    const of = rings(scene);
    const [dying, other] = [() => of(0), () => of(1)];
    return [
      { actions: [{ run: puts(dying, 1) }], mortal: true },
      [...ends(scene, 0), puts(other, 2), gets(other), gets(other), gets(other)],
    ];
  },
  (_, other) =>
    /^undefined undefined true (2222 none|1111 2222|2222 1111) none$/.test(other) || other.endsWith("2222 none 1111"),
);

proves(
  "a ring, one that gets is terminated at any step",
  2,
  1000,
  (scene) => {
    const of = rings(scene);
    const [dying, other] = [() => of(0), () => of(1)];
    puts(other, 1)();
    puts(other, 2)();
    return [
      { actions: [{ run: gets(dying) }], mortal: true },
      [...ends(scene, 0), gets(other), gets(other), gets(other)],
    ];
  },
  (dying, other) =>
    dying === "1111" ? /^\S+ \S+ 2222 none none$/.test(other) : /1111 2222 none$|\S+ \S+ 2222 none none$/.test(other),
);

const queues = (scene: Scene, maxsize: number): (thread: number) => Queue<number> => {
  const { handle } = scene.on(0, () => new Queue<number>(maxsize));
  return (thread) => scene.on(thread, () => new Queue<number>(handle));
};

const twice = (of: () => Queue<number>, step: (queue: Queue<number>, i: number) => unknown) => () => {
  const queue = of();
  return [1, 2].map((i) => step(queue, i)).join(" ");
};

proves("a queue, one puts and one gets", 2, 1000, (scene) => {
  const of = queues(scene, 0);
  return [[twice(() => of(0), (queue, i) => queue.put(i))], [twice(() => of(1), (queue) => queue.get())]];
}, (_, got) => got === "1 2");

proves("a queue with room for one, one puts and one gets", 2, 1000, (scene) => {
  const of = queues(scene, 1);
  return [[twice(() => of(0), (queue, i) => queue.put(i))], [twice(() => of(1), (queue) => queue.get())]];
}, (_, got) => got === "1 2");

proves("a full queue with room for one, two that wait to put", 3, 5000, (scene) => {
  const of = queues(scene, 1);
  of(2).put(0);
  return [
    { actions: [{ run: () => of(0).put(1) }], first: true },
    { actions: [{ run: () => of(1).put(2) }], first: true },
    [() => of(2).get(), () => of(2).get()],
  ];
}, (_1, _2, got) => got === "0 1" || got === "0 2");

proves("an empty queue, two that wait to get", 3, 5000, (scene) => {
  const of = queues(scene, 0);
  return [
    { actions: [{ run: () => of(0).get() }], first: true },
    { actions: [{ run: () => of(1).get() }], first: true },
    [() => of(2).put(1), () => of(2).put(2)],
  ];
}, (a, b) => a + b === "12" || a + b === "21");

proves("a queue, closed while one waits to get", 2, 500, (scene) => {
  const of = queues(scene, 0);
  return [[() => of(0).put(1), () => of(0).close()], [() => of(1).get(), () => of(1).get()]];
}, (_, got) => got === "1 ClosedError");

// The other objects.

proves("an event, set and cleared at once, is seen by those who wait", 3, 2000, (scene) => {
  const { handle } = scene.on(0, () => new Event());
  const of = (thread: number) => scene.on(thread, () => new Event(handle));
  const sets = of(2);
  return [[() => of(0).wait()], [() => of(1).wait()], [() => sets.set()]];
}, (a, b) => a === "true" && b === "true");

proves("a barrier of two, passed twice", 2, 1000, (scene) => {
  const { handle } = scene.on(0, () => new Barrier(2));
  const of = (thread: number) => scene.on(thread, () => new Barrier(handle));
  return times(2, (i) => {
    const barrier = of(i);
    return [() => barrier.wait(), () => barrier.wait()];
  });
}, (a, b) => Number(a[0]) + Number(b[0]) === 1 && Number(a[2]) + Number(b[2]) === 1);
