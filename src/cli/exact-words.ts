/**
 * The words of the command line as bytes where they are no UTF-8: Node has replaced what it could not decode, and the command is
 * to get what was given. proc(5), /proc/PID/cmdline
 */

import { readFileSync } from "node:fs";
import type { TextLike } from "../program/options.js";

const REPLACEMENT = "\ufffd";

/** Gives the words, which are the last of this process's. Where their bytes can't be had they are what Node has made of them. */
export function exactWords(words: readonly string[]): TextLike[] {
  // Reading a file is not free, and hardly anybody has such words.
  if (!words.some((word) => word.includes(REPLACEMENT))) return [...words];
  const all = ownWords();
  const from = all.length - words.length;
  const known = from > 0 && words.every((word, i) => all[from + i]?.toString() === word);
  if (!known) return [...words];
  return words.map((word, i) => {
    const bytes = all[from + i] as Buffer;
    return Buffer.from(word).equals(bytes) ? word : bytes;
  });
}

/** All words of this process, unless it has been given another title since. */
function ownWords(): Buffer[] {
  const words: Buffer[] = [];
  try {
    const line = readFileSync("/proc/self/cmdline");
    for (let at = 0; at < line.length; ) {
      const end = line.indexOf(0, at);
      words.push(line.subarray(at, end < 0 ? line.length : end));
      at = end < 0 ? line.length : end + 1;
    }
  } catch {
    // There is no /proc.
  }
  return words;
}
