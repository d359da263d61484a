/**
 * A first-in first-out queue with operations in constant time.
 *
 * @module
 */

/** A queue whose items leave in the order in which they came; `unshift` puts an item before all others. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  /** True if the queue holds no items. */
  get empty(): boolean {
    return this.#first === this.#items.length;
  }

  /** The number of items. */
  get size(): number {
    return this.#items.length - this.#first;
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Adds an item at the front. */
  unshift(item: T): void {
    if (this.#first === 0) this.#items.unshift(item);
    else this.#items[--this.#first] = item;
  }

  /** Removes and returns the first item; undefined if there is none. */
  shift(): T | undefined {
    if (this.empty) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    // Half of the array is empty: moving the rest costs no more than the shifts since the last move did.
    if (this.#first >= 1024 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}
