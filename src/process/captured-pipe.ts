/**
 * A pipe whose bytes nobody wants before they are complete: the native part keeps them, and we are told once, at the end.
 * It stands where a PipeReader would.
 */

import { systemError } from "../kernel/errno.js";
import { type Collection, type Given, textOf } from "./capture.js";
import type { PipeEnd, Side } from "./pipe-end.js";
import type { Growth } from "./pipe-growth.js";
import type { Reading } from "./pipe-reader.js";

const NOTHING = Buffer.alloc(0);

export class CapturedPipe implements Side, Reading, Collection {
  readonly #end: PipeEnd;
  readonly #growth: Growth;
  readonly #text: boolean;
  #over = false;
  #output: string | Buffer = NOTHING;
  #error: Error | undefined;
  #movedAt = 0;

  /** Takes over the reading side of an end whose capture has begun. `text`: it is to be had as text. */
  constructor(end: PipeEnd, growth: Growth, text: boolean) {
    this.#end = end;
    this.#growth = growth;
    this.#text = text;
    end.reading = this;
  }

  get over(): boolean {
    return this.#over;
  }

  /** It is read as it comes. */
  get backlogged(): boolean {
    return false;
  }

  /** When a byte last came. */
  lastActivity(): number {
    return this.#over ? this.#movedAt : this.#end.lastActivity;
  }

  /** Its end is told when it is there. */
  settle(): void {}

  /** Arriving bytes are noticed anyway. */
  watch(): void {}

  cut(): boolean {
    if (this.#over) return false;
    const result = this.#end.captureRest();
    this.#finish(result < 0 ? -result : 0, this.#end.lastActivity);
    return result === 0;
  }

  abandon(): void {
    this.cut();
  }

  close(): void {
    this.cut();
  }

  /** Much has come, and more is to be expected. */
  onReady(): void {
    this.#growth.sawMuch();
  }

  onFailure(): void {
    this.cut();
  }

  onCaptured(errno: number, movedAt: number): void {
    if (!this.#over) this.#finish(errno, movedAt);
  }

  give(encoding: "utf8" | "buffer"): Given {
    const output = this.#output;
    // The child may be held for longer than its output.
    this.#output = NOTHING;
    const failure = this.#error;
    if (encoding === "buffer" || typeof output === "string") return { output, failure };
    return { output: textOf(() => output.toString(), output.length) ?? output, failure };
  }

  #finish(errno: number, movedAt: number): void {
    this.#over = true;
    this.#growth.end();
    this.#movedAt = movedAt;
    const taken = this.#end.takeCaptured(this.#text);
    if (typeof taken !== "number") this.#output = taken;
    const failed = errno !== 0 ? errno : typeof taken === "number" ? -taken : 0;
    if (failed !== 0) this.#error = systemError(failed, "read");
    this.#end.releaseReading();
  }
}
