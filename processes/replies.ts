/**
 * The replies of child processes, on the calling side.
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";
import type { ErrorStacks } from "../scheduler/error_stacks.ts";
import { received, takeTimes } from "../scheduler/failures.ts";
import { UNCAUGHT } from "../scheduler/messages.ts";
import { ReplyDecoder } from "../scheduler/reply_decoder.ts";
import type { Outcome, Task, TraceEvent } from "../scheduler/task.ts";
import type { WorkerConfig } from "../scheduler/worker_config.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Dispatcher } from "./dispatcher.ts";
import {
  BEGIN,
  BROKEN,
  DEADLINE,
  DRAINED,
  DURATION_SHIFT,
  type Frame,
  GIVES_UP,
  HELLO,
  LACKS,
  nextEpoch,
  PAUSED,
  PAUSES,
  PROTOCOL,
  READY,
  RETIRES,
  WAITS,
} from "./frames.ts";
import type { Launch } from "./launch.ts";
import type { ProcessHandle } from "./process_handle.ts";
import type { TaskTimes } from "./task_times.ts";

/** The parts of a scheduler that replies change. */
export interface RepliesParts {
  /** The configuration of the scheduler. */
  readonly config: WorkerConfig;
  /** The command that has started the children. */
  readonly launch: Launch;
  /** The tasks that children have, by number. */
  readonly inFlight: Map<number, Task>;
  /** Hands tasks over. */
  readonly dispatcher: Dispatcher;
  /** The deadlines of calls. */
  readonly deadlines: Deadlines;
  /** The durations of the tasks of each function. */
  readonly times: TaskTimes;
  /** Completes the stacks of errors. */
  readonly stacks: ErrorStacks;
  /** Settles a task. */
  readonly settle: (task: Task, outcome: Outcome) => void;
  /** Called when a child has become ready. */
  readonly ready: () => void;
  /** Called with a child that takes no more tasks. `givenUp`: it cannot end by itself. */
  readonly retire: (handle: ProcessHandle, givenUp: boolean) => void;
  /** Called with a child that does not behave. */
  readonly lose: (handle: ProcessHandle, how: string) => void;
  /** Called with the reason why no child can be prepared. */
  readonly failed: (error: unknown) => void;
}

const decoder = new TextDecoder();

/** Takes the replies of children. */
export class Replies {
  /** The tasks that have run, if tracing is on. */
  readonly events: TraceEvent[] = [];
  readonly #parts: RepliesParts;
  readonly #replyDecoder = new ReplyDecoder();

  constructor(parts: RepliesParts) {
    this.#parts = parts;
  }

  /** Takes one reply. */
  take(handle: ProcessHandle, frame: Frame): void {
    const { kind, taskId, detail } = frame;
    if (kind === WAITS) return clearTimeout(handle.endTimer);
    if (handle.state === "ending" && kind !== UNCAUGHT) return;
    switch (kind) {
      case HELLO:
        return this.#greet(handle, taskId, decoder.decode(frame.bytes.subarray(frame.at, frame.at + frame.size)));
      case READY:
        handle.state = "ready";
        handle.deadlines.clear();
        this.#parts.ready();
        return;
      case BROKEN: {
        const error = this.#decode(frame);
        this.#parts.stacks.completeStart(this.#parts.config.initializer, error);
        return this.#parts.failed(error);
      }
      case BEGIN:
        return this.#begun(handle, taskId);
      case DEADLINE:
        return this.#setDeadline(handle, taskId, detail);
      case PAUSED:
        for (const task of handle.running) handle.handed.unshift(task); // one that it was about to begin
        handle.running.clear();
        return this.#paused(handle);
      case LACKS:
        this.#paused(handle);
        return this.#parts.dispatcher.answer(handle, taskId, detail);
      default:
        return this.#reply(handle, frame);
    }
  }

  #decode(frame: Frame): unknown {
    return this.#replyDecoder.readError({ bytes: bytesOf(frame), refs: [] });
  }

  #greet(handle: ProcessHandle, protocol: number, version: string): void {
    handle.version = version;
    if (protocol !== PROTOCOL) {
      return this.#parts.failed(new Error(`The process speaks version ${protocol}, not ${PROTOCOL}`));
    }
    if (version === Deno.version.deno || this.#parts.launch.named) return;
    this.#parts.failed(
      new InvalidStateError(
        `'${this.#parts.launch.command}' is Deno ${version}, while this program runs on ${Deno.version.deno}: ` +
          "allow this one to be run, or give 'executable' to processes()",
      ),
    );
  }

  /** Records that the child has begun a task. */
  #begun(handle: ProcessHandle, taskId: number): void {
    const task = this.#parts.inFlight.get(taskId);
    if (task === undefined || handle.running.has(task)) return;
    const next = handle.handed.shift();
    if (next === task) return void handle.running.add(task);
    if (next !== undefined) handle.handed.unshift(next);
    this.#parts.lose(handle, "as it began a task that it had not got");
  }

  /** Called when the child has dropped the tasks that it had not begun. */
  #paused(handle: ProcessHandle): void {
    handle.epoch = nextEpoch(handle.epoch);
    handle.stuck = false;
    this.#parts.dispatcher.takeBack(handle);
  }

  #reply(handle: ProcessHandle, { kind, taskId, detail, bytes, at }: Frame): void {
    const task = this.#parts.inFlight.get(taskId);
    if (task === undefined || !handle.running.has(task)) return;
    const reply = this.#replyDecoder.read(task, kind, { bytes, view: viewOf(bytes) }, at);
    if (kind === UNCAUGHT) {
      handle.uncaught = { reply, others: detail > 0 };
      return;
    }
    handle.running.delete(task);
    handle.posted.delete(task);
    handle.deadlines.delete(taskId);
    if ((detail & (RETIRES | GIVES_UP)) !== 0) this.#parts.retire(handle, (detail & GIVES_UP) !== 0);
    else if ((detail & PAUSES) !== 0) this.#paused(handle);
    else if ((detail & DRAINED) === 0) {
      const next = handle.handed.shift();
      if (next !== undefined) handle.running.add(next);
    }
    this.#parts.times.note(task.functionId, detail >>> DURATION_SHIFT);
    this.#parts.inFlight.delete(taskId);
    const bare = this.#parts.config.trace ? takeTimes(handle.number, task, reply, this.events) : reply;
    this.#parts.settle(task, this.#parts.stacks.complete(task, received(task, bare)));
  }

  #setDeadline(handle: ProcessHandle, taskId: number, time: number): void {
    if (time === 0) {
      handle.deadlines.delete(taskId);
      return;
    }
    handle.deadlines.set(taskId, this.#parts.deadlines.add(time));
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bytesOf({ bytes, at, size }: Frame): ArrayBuffer {
  return bytes.slice(at, at + size).buffer;
}
