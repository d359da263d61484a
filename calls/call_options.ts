/**
 * The options of all calls of a pool: one schema for each kind of call. Each property is read exactly once.
 *
 * @module
 */

import {
  checkedCount,
  checkedFlag,
  checkedFunctionOf,
  checkedGrace,
  checkedLimit,
  checkedSignal,
  type OptionsReader,
  OptionsSchema,
} from "../base/options_schema.ts";

// If the value given is not an options object, the message names the first option that it could be the value of. So order matters.

const CALL_CHECKS = { taskTimeout: checkedLimit, signal: checkedSignal, abortGrace: checkedGrace };
const MAP_CHECKS = {
  chunksize: checkedCount,
  ...CALL_CHECKS,
  returnExceptions: checkedFlag,
  onProgress: checkedFunctionOf<(done: number, total?: number) => void>(),
};
const CALLBACK_CHECKS = {
  callback: checkedFunctionOf<(value: unknown) => void>(),
  errorCallback: checkedFunctionOf<(error: unknown) => void>(),
};
/** The values of the options of a single call. */
export interface CallOptionsRead {
  readonly taskTimeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly abortGrace: number | undefined;
}

/** The values of the options of a map. */
export interface MapOptionsRead extends CallOptionsRead {
  readonly chunksize: number | undefined;
  readonly returnExceptions: boolean | undefined;
  readonly onProgress: ((done: number, total?: number) => void) | undefined;
}

/** The values of the options of a map whose results come one by one. */
export interface StreamOptionsRead extends MapOptionsRead {
  readonly buffersize: number | undefined;
}

/** The values of the callback options of a call. */
export interface CallbackOptionsRead {
  readonly callback: ((value: unknown) => void) | undefined;
  readonly errorCallback: ((error: unknown) => void) | undefined;
}

/** The options of a single call. */
export const CALL_OPTIONS: OptionsReader<CallOptionsRead> = new OptionsSchema(CALL_CHECKS);
/** The options of a map. */
export const MAP_OPTIONS: OptionsReader<MapOptionsRead> = new OptionsSchema(MAP_CHECKS);
/** The options of a map whose results come one by one. */
export const STREAM_OPTIONS: OptionsReader<StreamOptionsRead> = new OptionsSchema({
  ...MAP_CHECKS,
  buffersize: checkedCount,
});
/** The options of a single call with callbacks. */
export const CALL_LATER_OPTIONS: OptionsReader<CallOptionsRead & CallbackOptionsRead> = new OptionsSchema({
  ...CALLBACK_CHECKS,
  ...CALL_CHECKS,
});
/** The options of a map with callbacks. */
export const MAP_LATER_OPTIONS: OptionsReader<MapOptionsRead & CallbackOptionsRead> = new OptionsSchema({
  ...CALLBACK_CHECKS,
  ...MAP_CHECKS,
});
