/**
 * Temporary files, some of them open: gone at the end of the scope that owns them.
 */

import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TemporaryFiles implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "brood-test-"));
  readonly #fds: number[] = [];

  /** Gives the path of that name. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** Writes a file and gives its path. */
  write(name: string, content: string, mode = 0o666): string {
    writeFileSync(this.path(name), content, { mode });
    return this.path(name);
  }

  /** Opens so many new files, and gives their fds. */
  open(count: number): number[] {
    return Array.from({ length: count }, () => {
      const fd = openSync(this.path(`open-${this.#fds.length}`), "w+");
      this.#fds.push(fd);
      return fd;
    });
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeSync(fd);
    rmSync(this.directory, { recursive: true });
  }
}

/** Device and inode of an open file of ours, as a child reports them. */
export function identity(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}
