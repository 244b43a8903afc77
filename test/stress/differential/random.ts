/**
 * Random choices that a seed repeats: a case that failed is run again by its number.
 */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Gives a fraction from 0 to 1, without 1. Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Gives an integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<const T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)] as T;
  }

  /** Gives some of a list, in another order. */
  some<const T>(list: readonly T[], most = list.length): T[] {
    const left = [...list];
    return Array.from({ length: this.integer(0, Math.min(most, left.length)) }, () => {
      return left.splice(this.integer(0, left.length - 1), 1)[0] as T;
    });
  }

  /** Gives bytes without a NUL, which the kernel takes as they are. */
  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.integer(0, most) }, () => this.integer(1, 255)));
  }
}
