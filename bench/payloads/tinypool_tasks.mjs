import { Tinypool } from "tinypool";
import * as payloads from "./payloads.mjs";

export const { take } = payloads;
export const give = ([kind, size]) => payloads.give(kind, size);
export const prepare = ([kind, size]) => payloads.prepare(kind, size);
export const giveMoved = (size) => Tinypool.move(new ArrayBuffer(size));
