/**
 * Producers of what isn't one by itself: an iterable, a stream. One piece each time there is room for it.
 */

import { wrongType } from "../errors.js";
import { giveUp, iteratorOf } from "../process/feed.js";
import type { TextLike } from "../program/options.js";
import type { Producer, Source } from "./interface.js";

/** Checks one piece to be written, and gives its bytes. */
export function checkData(data: unknown, name: string): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw wrongType(name, "a string or a Uint8Array", data);
}

/** Whether something is to be iterated over. Text and bytes are data, not producers of it. */
export function isSource(value: unknown): value is Source {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}

/** Where an iterable's pieces go. */
export interface Target {
  write(data: Uint8Array): void;
  /** There are no more. */
  done(): void;
  /** It threw, or gave what is no data. */
  failed(error: unknown): void;
}

export class SourceProducer implements Producer {
  readonly #source: Source;
  /** Once it is asked for the first time: to have one may lock a stream. */
  #iterator: Iterator<TextLike> | AsyncIterator<TextLike> | undefined;
  readonly #target: Target;
  #asking = false;
  #over = false;

  constructor(source: Source, target: Target) {
    this.#source = source;
    this.#target = target;
  }

  resumeProducing(): void {
    if (!this.#asking && !this.#over) void this.#ask();
  }

  stopProducing(): void {
    if (this.#over) return;
    this.#over = true;
    giveUp<TextLike>(this.#source, this.#iterator);
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    try {
      this.#iterator ??= iteratorOf(this.#source);
      for (;;) {
        const { done, value } = await this.#iterator.next();
        if (this.#over) return;
        if (done === true) {
          this.#over = true;
          this.#target.done();
          return;
        }
        const bytes = checkData(value, "a piece of the producer");
        // Nothing to write, nothing to wait for.
        if (bytes.length === 0) continue;
        this.#asking = false;
        this.#target.write(bytes);
        return;
      }
    } catch (error) {
      if (this.#over) return;
      this.stopProducing();
      this.#target.failed(error);
    }
  }
}
