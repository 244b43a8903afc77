/**
 * Random cases in tests of a bounded length. BROOD_CASES: how many cases (default 40); BROOD_SEED: the first (default 1).
 */

import { test } from "../../helpers/test.js";

const CASES = Number(process.env["BROOD_CASES"] ?? 40);
const SEED = Number(process.env["BROOD_SEED"] ?? 1);
const PART = 40;

/** Runs `body` with all seeds, in tests of a few each. */
export function inParts(name: string, body: (seeds: readonly number[]) => Promise<void>): void {
  for (let first = SEED; first < SEED + CASES; first += PART) {
    const count = Math.min(PART, SEED + CASES - first);
    const seeds = Array.from({ length: count }, (_, i) => first + i);
    test(`${name}, seeds ${first} to ${first + count - 1}`, () => body(seeds));
  }
}
