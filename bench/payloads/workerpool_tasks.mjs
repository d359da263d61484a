import workerpool from "workerpool";
import { give, prepare, take } from "./payloads.mjs";

function giveMoved(size) {
  const buffer = new ArrayBuffer(size);
  return new workerpool.Transfer(buffer, [buffer]);
}

workerpool.worker({ give, giveMoved, prepare, take });
