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
  // Not within a name that the user gave.
  const option = /(?<![\w./"'-])options\.(\w+)(?:\[\d+\]|\.\w+)*/g;
  return message.replace(option, (_, name: string) => `--${FLAG_OF[name] ?? kebab(name)}`);
}

/** Writes a line on stderr. */
export function complain(text: string): void {
  write("stderr", `${text}\n`);
}

/** Writes text on stdout. */
export function print(text: string): void {
  write("stdout", text);
}

const written = new Set<string>();

/**
 * That nobody reads it (`brood --help | head -1`), or that there is no room for it, changes nothing of how a command went. Where it
 * is a terminal that has hung up Node can't even open it: EIO.
 */
function write(name: "stdout" | "stderr", text: string): void {
  try {
    const stream = process[name];
    if (!written.has(name)) stream.on("error", () => {});
    written.add(name);
    stream.write(text);
  } catch {
    // There is nobody to be told.
  }
}
