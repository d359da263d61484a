/**
 * The numbers of the objects in a value, by which later parts of the value refer to them.
 *
 * @module
 */

/** Up to this many objects are searched one by one; more are in a map. */
const FEW = 16;

/** Numbers the objects of one value at a time in the order in which they are met, as the decoder does. */
export class ObjectNumbers {
  #count = 0;
  #all: Map<unknown, number> | undefined;
  /** The objects, and their numbers, while there are only a few: most messages have no more. */
  readonly #few: unknown[] = new Array(FEW).fill(undefined);
  readonly #fewNumbers: number[] = new Array(FEW).fill(0);
  #fewCount = 0;

  /** Drops all objects, so that none is kept alive, and begins again at 0. */
  reset(): void {
    this.#count = 0;
    this.#all = undefined;
    for (let i = 0; i < FEW && this.#few[i] !== undefined; i++) this.#few[i] = undefined;
    this.#fewCount = 0;
  }

  /** Leaves out a number, which the decoder gives to an object that is not in the value. */
  skip(): void {
    this.#count++;
  }

  /** Returns the number of an object that was met before. Any other object gets the next number; then returns -1. */
  meet(object: object): number {
    if (this.#all === undefined) {
      for (let i = 0; i < this.#fewCount; i++) if (this.#few[i] === object) return this.#fewNumbers[i]!;
      if (this.#fewCount < FEW) {
        this.#few[this.#fewCount] = object;
        this.#fewNumbers[this.#fewCount++] = this.#count++;
        return -1;
      }
      this.#all = this.#fewAsMap();
    }
    const number = this.#all.get(object);
    if (number !== undefined) return number;
    this.#all.set(object, this.#count++);
    return -1;
  }

  /** Assigns the next numbers to objects. Returns false, with nothing changed, if one was met before, or occurs twice. */
  add(objects: readonly object[]): boolean {
    if (this.#all === undefined && this.#fewCount + objects.length <= FEW) return this.#addFew(objects);
    const all = this.#all ??= this.#fewAsMap();
    const first = this.#count;
    for (let i = 0; i < objects.length; i++) {
      if (all.get(objects[i]!) !== undefined) {
        for (let k = 0; k < i; k++) all.delete(objects[k]!);
        return false;
      }
      all.set(objects[i]!, first + i);
    }
    this.#count += objects.length;
    return true;
  }

  /** As {@linkcode ObjectNumbers.add}, while there are only a few objects. */
  #addFew(objects: readonly object[]): boolean {
    const before = this.#fewCount;
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i]!;
      for (let k = 0; k < before + i; k++) {
        if (this.#few[k] === object) return false; // what stands behind the count is not looked at
      }
      this.#few[before + i] = object;
      this.#fewNumbers[before + i] = this.#count + i;
    }
    this.#fewCount += objects.length;
    this.#count += objects.length;
    return true;
  }

  #fewAsMap(): Map<unknown, number> {
    const map = new Map<unknown, number>();
    for (let i = 0; i < this.#fewCount; i++) map.set(this.#few[i], this.#fewNumbers[i]!);
    return map;
  }
}
