/**
 * Messages between the calling side and the side that runs a task, for any kind of backend.
 *
 * @module
 */

import type { FunctionSpec } from "../codec/functions.ts";

// Kinds of records that a worker writes.

/** The task succeeded; the payload is its result. */
export const RESULT = 1;
/** The task failed; the payload is the error. */
export const FAILURE = 2;
/** The worker ends by the uncaught error in the payload. `detail`: whether it has run other tasks before this one. */
export const UNCAUGHT = 5;

/** Detail of a reply: the worker takes no more tasks. */
export const RETIRING = 1;
/** Detail of a reply: the worker takes no more tasks, and the work that it has started must end with it. */
export const GIVEN_UP = 2;

/** The header of a task that is posted by message; a task in a slot has the same data in the slot. */
export interface TaskHeader {
  /** The number of the task. */
  readonly taskId: number;
  /** The number of its function. */
  readonly fn: number;
  /** The number of the mode, which says how the arguments are used. */
  readonly mode: number;
  /** The limit of one call in milliseconds; 0 means none. */
  readonly limit: number;
  /** The index of its first item in the input of its map. */
  readonly first: number;
  /** The task of another program that it is, if any. */
  readonly delivery?: Delivery | undefined;
}

/** A task of another program, which hands it to a worker of this one. */
export interface Delivery {
  /** The name of the task, unique among all programs. */
  readonly id: string;
  /** How often it was handed to a worker, from 1. */
  readonly attempt: number;
}

/** The preparation of a worker before its first task. */
export interface Setup {
  /** The user's module, to import. */
  readonly module: string | undefined;
  /** The functions of `scope`. */
  readonly functions: readonly (readonly [name: string, spec: FunctionSpec])[];
  /** The other values of `scope`. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The initializer. */
  readonly initializer: FunctionSpec | undefined;
  /** The arguments of the initializer. */
  readonly initargs: readonly unknown[];
  /** The number of tasks that the worker may have begun at the same time. */
  readonly concurrency: number;
  /** The number of tasks after which the worker takes no more; 0 means no maximum. */
  readonly maxTasks: number;
  /** True if replies carry the times of their tasks. */
  readonly trace: boolean;
}

// Stages of a worker before its first task, or between two tasks.

/** None of the following stages. */
export const NONE = 0;
/** The worker runs the initializer, or makes the scope. */
export const PREPARING = 1;
/** The worker imports the user's module. */
export const IMPORTING = 2;
/** The worker waits for a part of its current task that it lacks. */
export const FETCHING = 3;

/** Reports the progress of the preparation of a worker, or of a task, to the calling side. */
export interface PreparationProgress {
  /** Sets the stage: {@linkcode NONE}, {@linkcode PREPARING}, {@linkcode IMPORTING} or {@linkcode FETCHING}. */
  setStage(stage: number): void;
  /** Sets when the current part must have ended, in milliseconds since the epoch of the calling side. */
  setDeadline(time: number): void;
  /** Removes the deadline, as the part has ended. */
  clearDeadline(): void;
}
