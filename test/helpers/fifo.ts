/**
 * A FIFO in a temporary directory, for what a command tells when its terminal is gone.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export class Fifo {
  readonly #directory = mkdtempSync(join(tmpdir(), "brood-"));
  readonly path = join(this.#directory, "fifo");
  /** Not Node itself: a thread that opens a FIFO without a writer would hold the process for ever. */
  readonly #cat: ChildProcess;
  /** What the first writer wrote. */
  readonly text: Promise<string>;

  constructor() {
    execFileSync("mkfifo", [this.path]);
    const cat = spawn("cat", [this.path], { stdio: ["ignore", "pipe", "inherit"] });
    this.#cat = cat;
    this.text = text(cat.stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cat.kill("SIGKILL");
    await this.text;
    rmSync(this.#directory, { recursive: true });
  }
}
