/**
 * The child that does what its arguments say (test/children/act.c), and what a test needs to follow it.
 */

import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { childPath } from "./children.js";

export const act = childPath("act");

/** The bytes that `fill` writes. */
export function filling(count: number): Buffer {
  const block = Buffer.from(Array.from({ length: 251 * 256 }, (_, i) => i % 251));
  return Buffer.alloc(count, block);
}

/** Reads one line, byte by byte: what follows stays unread. */
export async function lineOf(stream: Readable | null): Promise<string> {
  if (stream === null) throw new TypeError("there is no stream");
  let line = "";
  for (;;) {
    const byte: Buffer | null = stream.read(1);
    if (byte === null) {
      if (stream.readableEnded || stream.destroyed) return line;
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          for (const event of ["readable", "end", "close"]) stream.off(event, settle);
          resolve();
        };
        for (const event of ["readable", "end", "close"]) stream.on(event, settle);
      });
    } else if (byte[0] === 10) return line;
    else line += byte.toString("latin1");
  }
}

/** The letter of a process's state as ps(1) shows it, undefined if there is none. Z: a zombie. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0];
  } catch {
    return undefined;
  }
}
