/**
 * What the command says, in the words of its flags.
 */

/** Options whose flag has another name than the option, in kebab case. */
const FLAG_OF: Record<string, string> = {
  rlimits: "limit",
  passFds: "pass-fd",
  extendEnv: "clear-env",
  ignoreSignals: "ignore-signal",
  blockSignals: "block-signal",
  forceKillAfterDelay: "force-kill-after",
};

/** The library names its options; the command's user wrote flags. */
export function inFlags(message: string): string {
  const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return message.replace(/options\.(\w+)(?:\[\d+\])?/g, (_, name: string) => `--${FLAG_OF[name] ?? kebab(name)}`);
}

/** Writes a line on stderr. Where that is a terminal that has hung up Node can't even open it, and nobody is told. */
export function complain(text: string): void {
  try {
    process.stderr.write(`${text}\n`);
  } catch {
    // EIO.
  }
}

/** Writes text on stdout. That nobody reads on (`brood --help | head -1`) is no error. */
export function print(text: string): void {
  process.stdout.on("error", () => {}).write(text);
}
