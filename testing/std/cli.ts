/**
 * `@std/cli`, as the npm registry has it, with the types of what is used here. One file of it, since the npm package lacks
 * one that its index needs.
 *
 * @module
 */

import * as untyped from "deno-std/cli/parse_args.js";

interface Cli {
  parseArgs(args: readonly string[], options?: {
    string?: readonly string[];
    boolean?: readonly string[];
    default?: Readonly<Record<string, unknown>>;
  }): Record<string, unknown> & { _: (string | number)[] };
}

const std = untyped as unknown as Cli;

export const parseArgs: Cli["parseArgs"] = std.parseArgs;
