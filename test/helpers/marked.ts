/**
 * An observer that knows nothing of how commands are contained: a mark in the environment, which every process that a
 * command starts inherits, and which /proc shows, whatever it does to its parents, groups, names and files.
 */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { stateOf } from "./processes.js";

const NAME = "BROOD_TEST_MARK";

export class Mark {
  readonly #value = randomBytes(12).toString("hex");

  /** To be added to a command's environment. */
  get env(): Record<string, string> {
    return { [NAME]: this.#value };
  }

  /** Gives the processes that live and carry the mark. */
  living(): number[] {
    const wanted = `${NAME}=${this.#value}`;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((name) => environmentOf(name).split("\0").includes(wanted))
      .map(Number)
      .filter((pid) => ![undefined, "Z", "X"].includes(stateOf(pid)));
  }

  /** Waits until at most so many live, for a bounded time; gives those that do. */
  async settle(most = 0, ms = 4000): Promise<number[]> {
    const deadline = performance.now() + ms;
    for (;;) {
      const living = this.living();
      if (living.length <= most || performance.now() > deadline) return living;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Ends what is left, whatever has happened. */
  async clean(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      const living = this.living();
      if (living.length === 0) return;
      for (const pid of living) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // Gone meanwhile.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}
