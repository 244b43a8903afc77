/**
 * The types of a child's streams, computed from the literal options of its spawn.
 */

import type { Writable } from "node:stream";
import type { SpawnOptions } from "./options.js";
import type { ChildDuplex, ChildReadable } from "./streams.js";

/** Any stream of a child. */
export type ChildStream = ChildReadable | ChildDuplex | Writable;

/** The stream of one entry; `Pipe` is what "pipe" means for its fd. */
type StreamOf<Entry, Pipe> = Entry extends "pipe"
  ? Pipe
  : Entry extends "socket"
    ? ChildDuplex
    : Entry extends { pipe: "r" }
      ? ChildReadable
      : Entry extends { pipe: "w" }
        ? Writable
        : Entry extends { pipe: "r" | "w" }
          ? Pipe
          : null;

/** What was said of fd `Index`, under its name, in `stdio`, in `fds`, or nothing: "pipe". */
type EntryOf<Options, Name extends string, Index extends 0 | 1 | 2> = Options extends { readonly [N in Name]: infer Entry }
  ? undefined extends Entry
    ? Exclude<Entry, undefined> | "pipe"
    : Entry
  : Options extends { readonly stdio: infer Stdio }
    ? Stdio extends readonly unknown[]
      ? Stdio[Index] extends undefined | null
        ? "pipe"
        : Stdio[Index]
      : Stdio
    : Options extends { readonly fds: { readonly [N in Index]: infer Entry } }
      ? Entry
      : "pipe";

/** fd 0 also takes text and bytes, which are no stream for us. */
type StdinStream<Entry> = string extends Entry ? ChildStdin : StreamOf<Entry, Writable>;

/** What fd 0 of a child of whatever options is for us. ({pipe: "r"} on it is not foreseen here.) */
export type ChildStdin = Writable | ChildDuplex | null;
/** What fds 1 and 2 of a child of whatever options are for us. */
export type ChildOutput = ChildReadable | ChildDuplex | null;

/** Whether this fd is certainly said by its name: that decides, since whatever else says it, too, is refused. */
type Says<Options, Name extends string> = Options extends { readonly [N in Name]: infer Entry }
  ? undefined extends Entry
    ? false
    : true
  : false;

/** Options whose literal type is not known: they may have any of the names. */
type IsWide<Options, Name extends string> =
  Says<Options, Name> extends true ? false : [keyof SpawnOptions] extends [keyof Options] ? true : false;

/** The type of `child.stdin` for a spawn with these options. */
export type StdinOf<Options> = IsWide<Options, "stdin"> extends true ? ChildStdin : StdinStream<EntryOf<Options, "stdin", 0>>;
/** The type of `child.stdout`. */
export type StdoutOf<Options> =
  IsWide<Options, "stdout"> extends true ? ChildOutput : StreamOf<EntryOf<Options, "stdout", 1>, ChildReadable>;
/** The type of `child.stderr`. */
export type StderrOf<Options> =
  IsWide<Options, "stderr"> extends true ? ChildOutput : StreamOf<EntryOf<Options, "stderr", 2>, ChildReadable>;
