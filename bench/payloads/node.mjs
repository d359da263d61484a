// Measures a pool on Node: `node node.mjs piscina|tinypool|workerpool`, in a folder where it is installed.

import { fileURLToPath } from "node:url";
import { serve } from "./measure.mjs";

const pathOf = (file) => fileURLToPath(new URL(file, import.meta.url));

async function openWorkerpool() {
  const { default: workerpool } = await import("workerpool");
  const pool = workerpool.pool(pathOf("./workerpool_tasks.mjs"), { maxWorkers: 2, workerType: "thread" });
  return {
    prepare: (kind, size) => Promise.all([pool.exec("prepare", [kind, size]), pool.exec("prepare", [kind, size])]),
    take: (payload) => pool.exec("take", [payload]),
    give: (kind, size) => pool.exec("give", [kind, size]),
    takeMoved: (buffer) => pool.exec("take", [buffer], { transfer: [buffer] }),
    giveMoved: (size) => pool.exec("giveMoved", [size]),
  };
}

/** Piscina and Tinypool, whose tasks have one argument. */
async function openPiscina(library) {
  const Pool = library === "piscina" ? (await import("piscina")).Piscina : (await import("tinypool")).Tinypool;
  const pool = new Pool({ filename: pathOf(`./${library}_tasks.mjs`), minThreads: 2, maxThreads: 2 });
  const [prepare, take, give, giveMoved] = ["prepare", "take", "give", "giveMoved"].map((name) => ({ name }));
  return {
    prepare: (kind, size) => Promise.all([pool.run([kind, size], prepare), pool.run([kind, size], prepare)]),
    take: (payload) => pool.run(payload, take),
    give: (kind, size) => pool.run([kind, size], give),
    takeMoved: (buffer) => pool.run(buffer, { name: "take", transferList: [buffer] }),
    giveMoved: (size) => pool.run(size, giveMoved),
  };
}

const library = process.argv[2];
await serve(await (library === "workerpool" ? openWorkerpool() : openPiscina(library)));
