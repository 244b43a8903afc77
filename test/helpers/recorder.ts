/**
 * A protocol that notes what it is told, and does what a test wants besides.
 */

import type { ExitState } from "brood";
import type { ProcessProtocol, ProcessTransport } from "brood/protocol";

export class Recorder implements ProcessProtocol {
  /** "made", "data 1" (once for several in a row), "lost 1", "pause 0", "resume 0", "exited", "connectionLost", "ended". */
  readonly log: string[] = [];
  /** By fd. */
  readonly chunks = new Map<number, Buffer[]>();
  readonly errors = new Map<number, Error | undefined>();
  readonly ended: Promise<this>;
  transport: ProcessTransport | undefined;
  state: ExitState | undefined;
  error: Error | undefined;
  readonly #also: ProcessProtocol;
  #onEnded!: (self: this) => void;
  #onNote: { entry: string; resolve: () => void }[] = [];

  constructor(also: ProcessProtocol = {}) {
    this.#also = also;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
  }

  /** What came from an fd, as text. */
  text(fd = 1): string {
    return this.bytes(fd).toString();
  }

  bytes(fd = 1): Buffer {
    return Buffer.concat(this.chunks.get(fd) ?? []);
  }

  /** Resolves when that is in the log. */
  noted(entry: string): Promise<void> {
    if (this.log.includes(entry)) return Promise.resolve();
    return new Promise((resolve) => this.#onNote.push({ entry, resolve }));
  }

  /** Resolves when the text of fd 1 has that in it. */
  async said(words: string): Promise<void> {
    while (!this.text().includes(words)) await new Promise(setImmediate);
  }

  connectionMade(transport: ProcessTransport): void {
    this.transport = transport;
    this.#note("made");
    this.#also.connectionMade?.(transport);
  }

  childDataReceived(fd: number, data: Buffer): void {
    if (!this.chunks.has(fd)) this.chunks.set(fd, []);
    (this.chunks.get(fd) as Buffer[]).push(data);
    this.#note(`data ${fd}`);
    this.#also.childDataReceived?.(fd, data);
  }

  childConnectionLost(fd: number, error: Error | undefined): void {
    this.errors.set(fd, error);
    this.#note(`lost ${fd}`);
    this.#also.childConnectionLost?.(fd, error);
  }

  pauseWriting(fd: number): void {
    this.#note(`pause ${fd}`);
    this.#also.pauseWriting?.(fd);
  }

  resumeWriting(fd: number): void {
    this.#note(`resume ${fd}`);
    this.#also.resumeWriting?.(fd);
  }

  processExited(state: ExitState): void {
    this.state = state;
    this.#note("exited");
    this.#also.processExited?.(state);
  }

  connectionLost(error: Error | undefined): void {
    this.error = error;
    this.#note("connectionLost");
    this.#also.connectionLost?.(error);
  }

  processEnded(state: ExitState): void {
    this.#note("ended");
    this.#onEnded(this);
    this.#also.processEnded?.(state);
  }

  #note(entry: string): void {
    if (!(entry.startsWith("data") && this.log.at(-1) === entry)) this.log.push(entry);
    for (const waiting of this.#onNote.filter((one) => one.entry === entry)) waiting.resolve();
  }
}
