/**
 * `--report`: how a command went, for people and, as JSON, for programs. docs/command.md has the schema.
 */

import type { Reason } from "../errors.js";
import { describeState } from "../kernel/events.js";
import { showCommand } from "../process/ending.js";
import type { ContainmentVerdict, ExitState } from "../states.js";

/** What a report is made from. */
export interface Went {
  command: string;
  args: readonly string[];
  exit: ExitState;
  reason: Reason;
  durationMs: number;
  containment: ContainmentVerdict | null;
}

export function jsonReport({ command, args, exit, reason, durationMs, containment }: Went): string {
  const { usage, ...state } = exit;
  return JSON.stringify({
    command,
    args,
    reason,
    durationMs: Math.round(durationMs * 1000) / 1000,
    exit: state,
    usage,
    containment,
  });
}

export function textReport({ command, args, exit, reason, durationMs, containment }: Went): string {
  const rows: [string, string][] = [
    ["command", showCommand({ command, args })],
    ["state", describeState(exit)],
    ["reason", reason],
    ["wall time", seconds(durationMs)],
  ];
  const { usage } = exit;
  if (usage !== null) {
    rows.push(
      ["user CPU", seconds(usage.userCPU / 1000)],
      ["system CPU", seconds(usage.systemCPU / 1000)],
      ["max RSS", usage.maxRSS === null ? "unknown (not above brood's own)" : `${(usage.maxRSS / 1048576).toFixed(1)} MiB`],
      ["page faults", `${usage.minorFaults} minor, ${usage.majorFaults} major`],
      ["switches", `${usage.voluntarySwitches} voluntary, ${usage.involuntarySwitches} involuntary`],
      ["block I/O", `${usage.blockInput} in, ${usage.blockOutput} out`],
    );
  }
  if (containment !== null) {
    const { by, ended, survivors } = containment;
    rows.push(["contained by", by], ["left behind", `${ended.length} ended, ${survivors.length} live on`]);
    for (const { pid, command: line, reason: why } of survivors) rows.push(["survivor", `${pid} ${line}: ${why}`]);
  }
  return rows.map(([name, value]) => `brood: ${name.padEnd(12)} ${value}`).join("\n");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
