/**
 * A first-in first-out queue in constant time.
 *
 * @module
 */

/** Items leave in the order they came; `unshift` puts one before all others. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  /** Whether there is nothing in it. */
  get empty(): boolean {
    return this.#first === this.#items.length;
  }

  /** How many items it holds. */
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

  /** Takes the first item; undefined when there is none. */
  shift(): T | undefined {
    if (this.empty) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    // Half of it is empty: moving the rest costs no more than what was taken since the last time.
    if (this.#first >= 1024 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}
