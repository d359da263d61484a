/**
 * What the calling side and whoever runs a task say to each other, whatever lies between them.
 *
 * @module
 */

import type { FunctionSpec } from "../codec/functions.ts";

/** Kinds of records that a worker writes. */
export const RESULT = 1;
/** The task failed; the payload is what it threw. */
export const FAILURE = 2;
/** The worker ends by the error in the payload, which nothing caught; `detail`: whether it has run other tasks before this one. */
export const UNCAUGHT = 5;

/** Detail of a reply: the worker takes no more tasks. */
export const RETIRING = 1;
/** Detail of a reply: the same, and what the worker has started is to end with it. */
export const GIVEN_UP = 2;

/** What a task posted by message has in place of a slot header. */
export interface TaskHeader {
  /** The number of the task. */
  readonly taskId: number;
  /** The number of its function. */
  readonly fn: number;
  /** How the arguments are meant. */
  readonly mode: number;
  /** The limit of one call in milliseconds; 0 for none. */
  readonly limit: number;
}

/** What a worker does before its first task. */
export interface Setup {
  /** The user's module, to import. */
  readonly module: string | undefined;
  /** The functions of `scope`. */
  readonly functions: readonly (readonly [name: string, spec: FunctionSpec])[];
  /** The other values of `scope`. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The initializer. */
  readonly initializer: FunctionSpec | undefined;
  /** Its arguments. */
  readonly initargs: readonly unknown[];
  /** After how many tasks it takes no more; 0 for never. */
  readonly maxTasks: number;
  /** Whether replies carry the times of their tasks. */
  readonly trace: boolean;
}

// What whoever runs tasks does before its first one, or between two.

/** None of the following. */
export const NONE = 0;
/** The initializer runs, or the scope is made. */
export const PREPARING = 1;
/** The module of the user is imported. */
export const IMPORTING = 2;
/** It waits for what it lacks of the task that it holds. */
export const FETCHING = 3;

/** Tells the calling side how far the preparation of a worker, or of a task, has come. */
export interface PreparationProgress {
  /** What is done now: {@linkcode NONE}, {@linkcode PREPARING}, {@linkcode IMPORTING} or {@linkcode FETCHING}. */
  setStage(stage: number): void;
  /** Until when that must have ended, in milliseconds since the epoch of the caller. */
  setDeadline(time: number): void;
  /** It has ended. */
  clearDeadline(): void;
}
