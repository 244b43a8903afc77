/**
 * The types of a child's streams, computed from the literal options of its spawn.
 */

import type { Writable } from "node:stream";
import type { StdioEntry, TextLike } from "../program/options.js";
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
          ? ChildReadable | Writable
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
type StdinStream<Entry> = string extends Entry
  ? Writable | ChildDuplex | ChildReadable | null
  : Entry extends StdioEntry
    ? StreamOf<Entry, Writable>
    : Entry extends TextLike
      ? null
      : null;

/** The streams of a child that was spawned with these options. */
export interface StreamsOf<Options> {
  stdin: SpawnOptions extends Options ? Writable | ChildDuplex | ChildReadable | null : StdinStream<EntryOf<Options, "stdin", 0>>;
  stdout: SpawnOptions extends Options
    ? ChildReadable | ChildDuplex | Writable | null
    : StreamOf<EntryOf<Options, "stdout", 1>, ChildReadable>;
  stderr: SpawnOptions extends Options
    ? ChildReadable | ChildDuplex | Writable | null
    : StreamOf<EntryOf<Options, "stderr", 2>, ChildReadable>;
}
