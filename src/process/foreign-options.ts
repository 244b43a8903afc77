/**
 * Options that people bring along from node:child_process and execa, or from another function here: what does their work.
 */

/** By the option's name, to follow "has no such option". */
export const FOREIGN_OPTIONS: Readonly<Record<string, string>> = {
  shell: 'no shell steps in, give a script to one: ("sh", ["-c", script])',
  maxBuffer: "use maxOutput, which keeps a part and ends nothing",
  windowsHide: "it has no meaning on Linux",
  windowsVerbatimArguments: "it has no meaning on Linux",
  serialization: "there is no channel for messages",
  ipc: "there is no channel for messages",
  cancelSignal: "use signal",
  gracefulCancel: "use signal",
  lines: "use child.stdout.lines(), or split the text",
  buffer: "use spawn, which collects nothing",
  verbose: "nothing is logged",
  node: "give process.execPath as the file",
  all: "use stderr: { dup: 1 }, which joins it to stdout",
  inputFile: "use stdin: { file }",
  stripFinalNewline: "output is given as it came",
  preferLocal: "use path, with node_modules/.bin first",
  localDir: "use path, with node_modules/.bin first",
  killDescendants: 'use contain: "auto"',
  preexec: "use spawnAsync, which has it",
  input: "use run, which has it, or stdin",
  encoding: "use run or output(), which have it",
  reject: "use run, which has it",
};
