/**
 * The numbers of the objects in a value, by which later parts of the value refer to them.
 *
 * @module
 */

/** Up to this many objects are searched one by one; more are in a map. */
const FEW = 16;
/** From this many on, distinct objects are kept in a list. A map of so many would take much memory, which costs more than the search. */
const MANY = 512;
/** The objects of lists may be looked at this many times each, on average, before they go into the map after all. */
const LOOKS = 4;

/** Distinct objects with consecutive numbers. */
interface ObjectList {
  readonly objects: readonly object[];
  /** The number of the first one. */
  readonly first: number;
}

/** Numbers the objects of one value at a time in the order in which they are met, as the decoder does. */
export class ObjectNumbers {
  #count = 0;
  #all: Map<unknown, number> | undefined;
  /** The objects, and their numbers, while there are only a few: most messages have no more. */
  readonly #few: unknown[] = new Array(FEW).fill(undefined);
  readonly #fewNumbers: number[] = new Array(FEW).fill(0);
  #fewCount = 0;
  /** Objects that are in neither of the two. */
  readonly #lists: ObjectList[] = [];
  /** The number of further objects of lists that may be looked at. */
  #looks = 0;

  /** Drops all objects, so that none is kept alive, and begins again at 0. */
  reset(): void {
    this.#count = 0;
    this.#all = undefined;
    for (let i = 0; i < FEW && this.#few[i] !== undefined; i++) this.#few[i] = undefined;
    this.#fewCount = 0;
    this.#lists.length = 0;
    this.#looks = 0;
  }

  /** Leaves out a number, which the decoder gives to an object that is not in the value. */
  skip(): void {
    this.#count++;
  }

  /** Returns the number of an object that was met before. Any other object gets the next number; then returns -1. */
  meet(object: object): number {
    if (this.#lists.length > 0) {
      const number = this.#findInLists(object);
      if (number >= 0) return number;
    }
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

  /** Returns the number of an object of a list; -1 for any other. */
  #findInLists(object: object): number {
    for (const { objects, first } of this.#lists) {
      const at = objects.indexOf(object);
      if (at >= 0) return first + at;
      this.#looks -= objects.length;
    }
    if (this.#looks < 0) this.#dropLists();
    return -1;
  }

  /** Moves the objects of the lists to the map. */
  #dropLists(): void {
    const all = this.#all ??= this.#fewAsMap();
    for (const { objects, first } of this.#lists) objects.forEach((object, i) => all.set(object, first + i));
    this.#lists.length = 0;
  }

  /**
   * As {@linkcode ObjectNumbers.add}, for objects that are known to be distinct. Returns false if one was met before.
   */
  addDistinct(objects: readonly object[]): boolean {
    const { length } = objects;
    if (length < MANY) return this.add(objects);
    if (this.#lists.length > 0) this.#dropLists();
    const all = this.#all;
    if (all === undefined) {
      for (let i = 0; i < this.#fewCount; i++) if (objects.indexOf(this.#few[i] as object) >= 0) return false;
    } else {
      for (let i = 0; i < length; i++) if (all.has(objects[i])) return false;
    }
    const copy = new Array<object>(length);
    for (let i = 0; i < length; i++) copy[i] = objects[i]!; // getters of later parts may change the array
    this.#lists.push({ objects: copy, first: this.#count });
    this.#looks += length * LOOKS;
    this.#count += length;
    return true;
  }

  /** Assigns the next numbers to objects. Returns false, with nothing changed, if one was met before, or occurs twice. */
  add(objects: readonly object[]): boolean {
    if (this.#lists.length > 0) this.#dropLists();
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
