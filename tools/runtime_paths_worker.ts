/** A worker that says of functions of the runtime, described by another thread, where it has them itself. For the tests. */

import type { FunctionSpec } from "../codec/functions.ts";
import { rememberRuntime, runtimePath } from "../codec/runtime_functions.ts";

declare const self: {
  onmessage: (event: MessageEvent<readonly FunctionSpec[]>) => void;
  postMessage(message: unknown): void;
};

rememberRuntime();
self.onmessage = ({ data }) => {
  self.postMessage(data.map((spec) => {
    if (spec.kind === "path") return runtimePath(spec.paths, spec.source, spec.certain)?.join(".");
    return spec.kind === "library" ? undefined : runtimePath(spec.paths ?? [], spec.source, false)?.join(".");
  }));
};
