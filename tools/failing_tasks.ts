/** Tasks that fail on lines that are marked, with types before them that a compiler leaves out. For the tests of stacks. */

interface Item {
  readonly n: number;
}

type Items = readonly Item[];

export function imported(n: number, ..._rest: Items[]): Item {
  const item: Item = { n };

  if (n >= 3) {
    throw new RangeError(`imported ${item.n}`); // line of imported
  }
  return item;
}

const made = (text: string) => (n: number): number => {
  throw new Error(text + n); // line of made
};

/** Nowhere else is a function with this text, and nothing says where it is. */
export const closure: (n: number) => number = made("closure");

export function sameElsewhere(n: number): number {
  throw new Error("same" + n);
}
