/**
 * Stop and continue of a command that has a process group of its own. The job that the shell sees is brood: so
 * brood stops when the command does, and continues it when the shell continues brood.
 *
 * Where the command shares brood's group the terminal stops and the shell continues all of it, without us.
 */

import { readFileSync } from "node:fs";
import { isJob } from "../kernel/terminal.js";
import type { Child } from "../process/child.js";
import { complain } from "./messages.js";
import type { Terminal } from "./terminal.js";

/** Follows a command through its stops. Gives the function that ends it. */
export function follow(child: Child, terminal: Terminal): () => void {
  const signal = (name: "SIGTSTP" | "SIGCONT"): void => {
    try {
      child.killGroup(name);
    } catch {
      // It changed its user: whoever stopped it can continue it.
    }
  };
  // Ctrl-Z comes to us after an `fg` that the shell did without SIGCONT, since the job was running.
  const onStop = (): void => signal("SIGTSTP");
  const onContinue = (): void => {
    if (process.listenerCount("SIGTSTP") === 0) process.on("SIGTSTP", onStop);
    const stopped = isStopped(child.pid);
    terminal.lend(child.pid);
    if (stopped) signal("SIGCONT");
  };
  const stopWith = (name: string): void => {
    terminal.takeBack();
    // With a handler it would do nothing.
    process.off("SIGTSTP", onStop);
    process.kill(process.pid, name);
  };
  const watch = async (): Promise<void> => {
    for (;;) {
      const state = await child.wait({ stopped: true, exited: true });
      if (state.kind !== "stopped") return;
      // Somebody has continued it meanwhile.
      if (!isStopped(child.pid)) continue;
      const wantsTerminal = state.signal === "SIGTTIN" || state.signal === "SIGTTOU";
      if (wantsTerminal && terminal.lend(child.pid)) signal("SIGCONT");
      // Our shell may have died: then nobody would continue us.
      else if (isJob()) stopWith(state.signal);
    }
  };
  process.on("SIGCONT", onContinue);
  process.on("SIGTSTP", onStop);
  watch().catch((error: Error) => complain(`brood: cannot follow the command's stops: ${error.message}`));
  return () => {
    process.off("SIGCONT", onContinue);
    process.off("SIGTSTP", onStop);
  };
}

/** Whether it is stopped now. Where that can't be told: yes, since we were told so. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "T";
  } catch {
    return true;
  }
}
