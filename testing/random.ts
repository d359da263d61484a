/**
 * Random numbers from a seed, so that a failure can be replayed.
 *
 * @module
 */

/** Returns a function that returns whole numbers from 0 to below its argument. Equal seeds yield equal numbers. */
export function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}
