/**
 * Starting a child process: its command, its permissions, and what it gets first.
 *
 * @module
 */

import { isDeno } from "../base/platform.ts";
import { InvalidStateError } from "../errors.ts";

/** The data that a child needs before its first task. */
export interface ChildInit {
  /** The random bytes with which its pieces begin. */
  readonly magic: Uint8Array;
  /** The name of the child. */
  readonly name: string;
  /** The time when the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded `Setup`. */
  readonly setup: Uint8Array;
  /** The time limit of each part of the preparation, in milliseconds; 0 means none. */
  readonly limit: number;
  /** The resident memory that the child may gain before it is replaced, in MB; 0 means any amount. */
  readonly memoryLimit: number;
}

/** The command that starts children, and its surroundings. */
export interface LaunchOptions {
  /** The limit of the heap in MB; 0 means that of the runtime. */
  readonly memoryLimit: number;
  /** Environment variables beside those of this program. */
  readonly env: Readonly<Record<string, string>>;
  /** The working directory; undefined for that of this program. */
  readonly cwd: string | undefined;
  /** The program that runs the children; undefined for the one that runs this program. */
  readonly executable: string | undefined;
}

/** A command that starts a child. */
export interface Launch {
  /** The program. */
  readonly command: string;
  /** True if the user has named the program, which may then be of another version. */
  readonly named: boolean;
  /** Its arguments. */
  readonly args: string[];
  /** Its working directory. */
  readonly cwd: string | undefined;
  /** Its further environment variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** The kinds of permissions, and the key of the descriptor for a single one. */
const KINDS = {
  env: "variable",
  ffi: "path",
  import: "host",
  net: "host",
  read: "path",
  run: "command",
  sys: "kind",
  write: "path",
} as const;

type Kind = keyof typeof KINDS;

function isGranted(name: Kind, one?: string): boolean {
  const descriptor = one === undefined ? { name } : { name, [KINDS[name]]: one };
  const { state, partial } = Deno.permissions.querySync(descriptor as Deno.PermissionDescriptor);
  return state === "granted" && partial !== true;
}

/** Returns the flags for the permissions of children, which are never more than those of this program. */
function permissionFlags(permissions: Deno.PermissionOptions | undefined): string[] {
  const kinds = Object.keys(KINDS) as Kind[];
  if (permissions === "none") return [];
  if (permissions === undefined || permissions === "inherit") {
    const granted = kinds.filter((kind) => isGranted(kind));
    return granted.length === kinds.length ? ["--allow-all"] : granted.map((kind) => `--allow-${kind}`);
  }
  const flags: string[] = [];
  for (const kind of kinds) {
    const wanted = permissions[kind];
    if (wanted === undefined || wanted === false) continue;
    if (wanted === "inherit") {
      if (isGranted(kind)) flags.push(`--allow-${kind}`);
      continue;
    }
    const list = wanted === true ? [undefined] : Array.from(wanted as (string | URL)[], String);
    if (list.length === 0) continue;
    for (const one of list) {
      if (isGranted(kind, one)) continue;
      const what = one === undefined ? `--allow-${kind}` : `--allow-${kind}=${one}`;
      throw new Deno.errors.NotCapable(
        `Cannot give processes the permission ${what} as this program has not got it as a whole`,
      );
    }
    flags.push(wanted === true ? `--allow-${kind}` : `--allow-${kind}=${list.join(",")}`);
  }
  return flags;
}

/** Returns the program that runs children. */
function executableOf(given: string | undefined): string {
  if (given === undefined && (Deno.build as { standalone?: boolean }).standalone === true) {
    throw new InvalidStateError(
      "Cannot start processes from a compiled program, which would start itself: give 'executable' to processes(), the path of a Deno",
    );
  }
  const path = Deno.execPath();
  for (const command of given === undefined ? [path, "deno"] : [given]) {
    if (Deno.permissions.querySync({ name: "run", command }).state === "granted") return command;
  }
  const command = given ?? path;
  throw new Deno.errors.NotCapable(
    `Cannot start processes without the permission to run '${command}': use --allow-run=${command}`,
  );
}

/**
 * Returns the command that starts children.
 *
 * @throws {InvalidStateError} If this runtime cannot start them.
 * @throws {Deno.errors.NotCapable} If a permission is missing.
 */
export function launchOf(
  options: LaunchOptions,
  permissions: Deno.PermissionOptions | undefined,
  module: string | undefined,
): Launch {
  if (!isDeno()) {
    throw new InvalidStateError("Cannot start processes on this runtime: 'processes()' is for Deno");
  }
  const { memoryLimit, cwd, env, executable } = options;
  const command = executableOf(executable);
  const args = ["run", "--quiet", "--no-prompt", ...permissionFlags(permissions)];
  if (memoryLimit > 0) args.push(`--v8-flags=--max-old-space-size=${memoryLimit}`);
  args.push(...entryOf(module));
  return { command, named: executable !== undefined, args, cwd, env };
}

/**
 * Returns the arguments that name the program of a child. The runtime looks for a configuration file, by which imports are resolved,
 * only where the main module is a file. So the user's module is named as such, and never evaluated as such: what is loaded before the
 * main module does not end. The query makes it another module than the one that is imported, whose `import.meta.main` is false.
 */
function entryOf(module: string | undefined): string[] {
  const program = `data:text/javascript,${encodeURIComponent(bootstrap(module))}`;
  return module?.startsWith("file:") ? [`--preload=${program}`, `${module}?parallel`] : [program];
}

/**
 * Returns the program that a child starts with. It reads the text of the child's program: in a URL, that would have to be
 * decoded, and take part in the command line. The user's module is imported by its literal name, which takes no permission.
 */
function bootstrap(module: string | undefined): string {
  const load = module === undefined ? "undefined" : `() => import(${JSON.stringify(module)})`;
  return [
    "const read = (size) => {",
    "  const bytes = new Uint8Array(size);",
    "  for (let at = 0, n; at < size; at += n) {",
    "    n = Deno.stdin.readSync(bytes.subarray(at));",
    "    if (n === null) Deno.exit(0);",
    "  }",
    "  return bytes;",
    "};",
    "const size = new DataView(read(4).buffer).getUint32(0, true);",
    `new Function("parallelImportModule", new TextDecoder().decode(read(size)))(${load});`,
    ...(module?.startsWith("file:") ? ["await new Promise(() => {});"] : []),
  ].join("\n");
}

/** Returns the bytes that a child reads first: the size and the text of its program. */
export function programBytes(text: string): Uint8Array<ArrayBuffer> {
  const program = new TextEncoder().encode(text);
  const bytes = new Uint8Array(4 + program.length);
  new DataView(bytes.buffer).setUint32(0, program.length, true);
  bytes.set(program, 4);
  return bytes;
}
