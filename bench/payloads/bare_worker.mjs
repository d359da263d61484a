import { give, prepare, take } from "./payloads.mjs";

const tasks = { give, prepare, take, giveMoved: (/** @type {number} */ size) => new ArrayBuffer(size) };

globalThis.onmessage = (/** @type {MessageEvent} */ { data: [id, task, args] }) => {
  const result = tasks[/** @type {keyof typeof tasks} */ (task)](.../** @type {[any, any]} */ (args));
  globalThis.postMessage([id, result], { transfer: task === "giveMoved" ? [result] : [] });
};
