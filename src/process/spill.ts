/**
 * The file for output that is too long to keep: written in the background, or at once where nothing runs meanwhile.
 */

import { closeSync, createWriteStream, openSync, writeSync } from "node:fs";

export interface SpillFile {
  /** False: wait for `drained`. */
  write(chunk: Buffer): boolean;
  end(): void;
}

/** What a spill file tells. After `failed` nothing more. */
export interface SpillEvents {
  failed(error: Error): void;
  drained(): void;
  finished(): void;
}

export type OpenSpill = (path: string | Buffer, events: SpillEvents) => SpillFile;

export const spillInBackground: OpenSpill = (path, events) => {
  const file = createWriteStream(path);
  file.on("error", events.failed);
  file.on("drain", events.drained);
  file.on("finish", events.finished);
  return { write: (chunk) => file.write(chunk), end: () => void file.end() };
};

export const spillSync: OpenSpill = (path, events) => {
  let fd: number | undefined;
  /** A file that failed once is given up. */
  const step = (act: () => void): boolean => {
    try {
      act();
      return true;
    } catch (error) {
      const failed = fd;
      fd = undefined;
      if (failed !== undefined) closeQuietly(failed);
      events.failed(error as Error);
      return false;
    }
  };
  step(() => {
    fd = openSync(path, "w");
  });
  return {
    write(chunk) {
      step(() => {
        for (let at = 0; fd !== undefined && at < chunk.length; ) at += writeSync(fd, chunk, at);
      });
      return true;
    },
    end() {
      if (fd !== undefined) closeQuietly(fd);
      fd = undefined;
      events.finished();
    },
  };
};

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // What was written before has been reported.
  }
}
