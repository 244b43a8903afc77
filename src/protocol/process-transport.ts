/**
 * A child as asyncio's and Twisted's users know it: a transport that tells a protocol. Policy only, over Child and its pipes.
 *
 * When a callback runs: data as it is read; all else in a microtask of its own, so that no callback interrupts another or the
 * caller of a method. Only pauseWriting comes from within the write (or the change of limits), which could go on for ever otherwise.
 */

import { AsyncResource } from "node:async_hooks";
import { inspect } from "node:util";
import { ExitError, wrongType, wrongValue } from "../errors.js";
import { ESRCH, systemError } from "../kernel/errno.js";
import { type Signal, signalName, signalNumber } from "../kernel/signals.js";
import { throwLater } from "../kernel/uncaught.js";
import type { Child } from "../process/child.js";
import type { PipeSides } from "../process/child-pipes.js";
import { describeCommand } from "../process/ending.js";
import { Settling } from "../process/settling.js";
import { checkInteger, checkNames, INT_MAX } from "../program/validate.js";
import type { ExitState } from "../states.js";
import { EventOrder, type Happening } from "./event-order.js";
import { Inbound } from "./inbound.js";
import type { ProcessProtocol, Producer, Source } from "./interface.js";
import { checkProtocol } from "./options.js";
import { Outbound } from "./outbound.js";
import { PipeTransport, readProducer } from "./pipe-transport.js";
import { SourceProducer } from "./producers.js";
import { returnCode } from "./return-code.js";
import { untilAborted } from "./until-aborted.js";

/** One of the child's fds that is a pipe. */
interface Pipe {
  inbound: Inbound | undefined;
  outbound: Outbound | undefined;
  /** Why the reading ended, if not cleanly. */
  readError: Error | undefined;
  /** The protocol has been told to pause writing. */
  pauseTold: boolean;
  transport: PipeTransport;
}

/** Is a child and its pipes. Made by `spawnProcess`, `subprocessExec` and `subprocessShell`. */
export class ProcessTransport {
  /** The child itself: its group, its stops and continues, `ref` and `unref`. It has no streams: the protocol gets the data. */
  readonly child: Child;

  #protocol: ProcessProtocol | null;
  readonly #context = new AsyncResource("BROOD_TRANSPORT", { requireManualDestroy: true });
  readonly #pipes = new Map<number, Pipe>();
  readonly #order: EventOrder;
  readonly #exitTold = new Settling<ExitState>();
  readonly #ended = new Settling<void>();
  readonly #onMade: (failed?: { error: unknown }) => void;
  /** How many of the user's functions are running. */
  #calls = 0;
  #closed = false;
  #failure: Error | undefined;

  /**
   * Not for users: `spawnProcess` makes one. `onMade` is called after connectionMade; with what it threw, then the child has been killed.
   */
  constructor(protocol: ProcessProtocol | null, child: Child, onMade: (failed?: { error: unknown }) => void) {
    this.child = child;
    this.#protocol = protocol;
    this.#onMade = onMade;
    for (const [fd, sides] of child.claimPipes()) this.#pipes.set(fd, this.#connect(fd, sides));
    this.#order = new EventOrder(this.#pipes.keys(), {
      made: () => this.#made(),
      data: (fd, bytes) => this.#call(() => this.#tellData(fd, bytes)),
      lost: (fd) => this.#lost(fd),
      exited: () => this.#exited(),
      ended: () => this.#end(),
    });
    child.check().then(
      () => this.#order.happened({ what: "exit" }),
      (error: Error) => {
        if (!(error instanceof ExitError)) this.#failure ??= error;
        this.#order.happened({ what: "exit" });
      },
    );
    setImmediate(() => this.#order.happened({ what: "made" }));
  }

  /** Gives the pid; it stays after the end. */
  getPid(): number {
    return this.child.pid;
  }

  /** Gives null while it lives, then its exit code, or the negated number of the signal that killed it; NaN if unknown. */
  getReturnCode(): number | null {
    const { exit } = this.child;
    return exit === null ? null : returnCode(exit);
  }

  /** Gives the transport of one of the child's fds, null if that is no pipe of ours. */
  getPipeTransport(fd: number): PipeTransport | null {
    return this.#pipes.get(checkFd(fd))?.transport ?? null;
  }

  /** Gives the protocol that is told, null where `spawnProcess` was given none. */
  getProtocol(): ProcessProtocol | null {
    return this.#protocol;
  }

  /** Makes another protocol the one that is told, from the next callback on. It is not told of what was told before. */
  setProtocol(protocol: ProcessProtocol): void {
    this.#protocol = checkProtocol(protocol);
  }

  /** Gives what is known besides: "subprocess" is the `Child`; of any other name `otherwise`. */
  getExtraInfo(name: string, otherwise: unknown = null): unknown {
    if (typeof name !== "string") throw wrongType("name", "a string", name);
    return name === "subprocess" ? this.child : otherwise;
  }

  /** Whether `close()` was called, or it has exited. */
  isClosing(): boolean {
    return this.#closed || this.child.exit !== null;
  }

  /**
   * Waits for its exit, and until `processExited` has been called.
   *
   * @throws AbortError when `signal` aborts: the wait ends, nothing else.
   */
  async wait(options: { signal?: AbortSignal | undefined } = {}): Promise<ExitState> {
    const { signal } = checkNames(options, "options", ["signal"]) as { signal?: AbortSignal };
    return untilAborted(this.#exitTold.promise, signal, "options.signal");
  }

  /** Writes to fd 0; see `PipeTransport.write`. */
  write(data: string | Uint8Array): boolean {
    return this.#writable(0).write(data);
  }

  /** Writes several pieces to fd 0. */
  writeSequence(sequence: Iterable<string | Uint8Array>): boolean {
    return this.#writable(0).writeSequence(sequence);
  }

  /**
   * Writes to one of the child's fds.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE if that is no pipe that we write; as `PipeTransport.write`.
   */
  writeToChild(fd: number, data: string | Uint8Array): boolean {
    return this.#writable(checkFd(fd)).write(data);
  }

  /** Closes one of the child's fds, when what is to be written is written. One that is closed, or none of ours: nothing happens. */
  closeChildFD(fd: number): void {
    this.#pipes.get(checkFd(fd))?.transport.close();
  }

  /** Closes fd 0, when what is to be written is written: the child reads its end. */
  closeStdin(): void {
    this.closeChildFD(0);
  }

  /** Closes our end of fd 1: the child's next write there fails. */
  closeStdout(): void {
    this.closeChildFD(1);
  }

  /** Closes our end of fd 2: the child's next write there fails. */
  closeStderr(): void {
    this.closeChildFD(2);
  }

  /** Closes fds 0, 1 and 2. The child may go on. */
  loseConnection(): void {
    for (const fd of [0, 2, 1]) this.closeChildFD(fd);
  }

  /** Stops reading one fd, or all. */
  pauseProducing(fd?: number): void {
    for (const inbound of this.#readers(fd)) inbound.pause();
  }

  /** Reads on. */
  resumeProducing(fd?: number): void {
    for (const inbound of this.#readers(fd)) inbound.resume();
  }

  /** Feeds fd 0; see `PipeTransport.registerProducer`. Without a pipe on fd 0 the producer is stopped at once. */
  registerProducer(producer: Source): void;
  registerProducer(producer: Producer, streaming: boolean): void;
  registerProducer(producer: Producer | Source, streaming?: boolean): void {
    const pipe = this.#pipes.get(0);
    if (pipe?.outbound !== undefined) {
      pipe.transport.registerProducer(producer as Producer, streaming as boolean);
      return;
    }
    const nowhere = { write: (): void => {}, done: (): void => {}, failed: (): void => {} };
    const { made } = readProducer(producer, streaming, (source) => new SourceProducer(source, nowhere));
    this.#call(() => made.stopProducing());
  }

  /** Takes the producer of fd 0 off, if there is one. */
  unregisterProducer(): void {
    const pipe = this.#pipes.get(0);
    if (pipe?.outbound !== undefined) pipe.transport.unregisterProducer();
  }

  /**
   * Sends a signal: a name ("SIGHUP", also "HUP") or a number.
   *
   * @throws Error ESRCH: it has exited. Error EPERM: it has changed its user. TypeError ERR_UNKNOWN_SIGNAL.
   */
  sendSignal(signal: Signal): void {
    const number = signalNumber(fullName(signal), "signal", 0);
    if (this.child.kill(number)) return;
    const message = `cannot send ${number === 0 ? "signal 0" : signalName(number)}: no such process, ${describeCommand(this.child)} (pid ${this.child.pid}) has exited already`;
    throw Object.assign(systemError(ESRCH, "kill"), { message });
  }

  /** The same, by its name in Twisted. */
  signalProcess(signal: Signal): void {
    this.sendSignal(signal);
  }

  /** Sends SIGTERM, and nothing else: `child.terminate()` makes sure. Throws as `sendSignal`. */
  terminate(): void {
    this.sendSignal("SIGTERM");
  }

  /** Sends SIGKILL. Throws as `sendSignal`. */
  kill(): void {
    this.sendSignal("SIGKILL");
  }

  /**
   * Closes all pipes at once and kills the child by SIGKILL, if it lives. `processExited`, `connectionLost` and `processEnded` still
   * come. A second time nothing happens.
   *
   * @throws Error EPERM if it lives and has changed its user: it can't be killed.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#post({ what: "close" });
    try {
      // Before it can react to the end of its input.
      this.child.kill("SIGKILL");
    } finally {
      for (const { transport } of this.#pipes.values()) transport.abort();
    }
  }

  /** Terminates the child, closes the pipes and waits until all has been told: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.terminate();
    this.close();
    await this.#ended.promise;
  }

  /** @internal Settles when all has been told. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** JSON of what is known of it. */
  toJSON(): { command: string; args: readonly string[]; pid: number; exit: ExitState | null; pipes: number[]; closing: boolean } {
    return { ...this.child.toJSON(), pipes: [...this.#order.open], closing: this.isClosing() };
  }

  /** What `util.inspect` shows of it, on one line. */
  [inspect.custom](): string {
    const code = this.getReturnCode();
    const state = code === null ? (this.#closed ? "closing" : "running") : `return code ${code}`;
    const open = [...this.#order.open].map((fd) => `fd ${fd}`).join(" ");
    return `ProcessTransport { ${describeCommand(this.child)}, pid ${this.child.pid}, ${state}${open === "" ? "" : `, pipes: ${open}`} }`;
  }

  #connect(fd: number, { reader, writer }: PipeSides): Pipe {
    const transport = this;
    const inbound =
      reader &&
      new Inbound(reader, {
        get busy() {
          return transport.#calls > 0;
        },
        data: (bytes) => this.#order.happened({ what: "data", fd, bytes }),
        ended: (error) => {
          this.#pipe(fd).readError = error;
          this.#sideLost(fd);
        },
      });
    const outbound =
      writer &&
      new Outbound(fd, writer, {
        call: (run) => this.#call(run),
        paused: () => this.#pauseWriting(fd),
        resumed: () => queueMicrotask(() => this.#resumeWriting(fd)),
        lost: () => this.#sideLost(fd),
      });
    const onFailure = (error: unknown): void => this.#fail(fd, error);
    return {
      inbound,
      outbound,
      readError: undefined,
      pauseTold: false,
      transport: new PipeTransport({ fd, inbound, outbound, onFailure }),
    };
  }

  #pipe(fd: number): Pipe {
    return this.#pipes.get(fd) as Pipe;
  }

  #writable(fd: number): PipeTransport {
    const pipe = this.#pipes.get(fd);
    if (pipe?.outbound === undefined) throw wrongValue("fd", fd, "must be an fd of the child that we write");
    return pipe.transport;
  }

  #readers(fd: number | undefined): Inbound[] {
    const all = [...this.#pipes].filter(([, { inbound }]) => inbound !== undefined);
    const wanted = fd === undefined ? all : all.filter(([number]) => number === checkFd(fd));
    if (fd !== undefined && wanted.length === 0) throw wrongValue("fd", fd, "must be an fd of the child that we read");
    return wanted.map(([, { inbound }]) => inbound as Inbound);
  }

  /** Calls what is the user's. */
  #call(run: () => void): void {
    this.#calls++;
    try {
      this.#context.runInAsyncScope(run);
    } catch (error) {
      throwLater(error);
    } finally {
      this.#calls--;
    }
  }

  #post(happening: Happening): void {
    queueMicrotask(() => this.#order.happened(happening));
  }

  #made(): void {
    let failed: { error: unknown } | undefined;
    this.#call(() => {
      try {
        this.#protocol?.connectionMade?.(this);
      } catch (error) {
        failed = { error };
      }
    });
    if (failed !== undefined) this.#giveUp();
    this.#onMade(failed);
    for (const [fd, { inbound, outbound }] of this.#pipes) {
      inbound?.start();
      if (outbound?.paused === true) this.#pauseWriting(fd);
    }
  }

  /** A child without a protocol that works is of no use. */
  #giveUp(): void {
    try {
      this.close();
    } catch (refused) {
      throwLater(refused);
    }
  }

  /** A producer has failed: what the child was to get is not complete, which an end of file would say. */
  #fail(fd: number, error: unknown): void {
    const failure = error instanceof Error ? error : new Error("a producer failed", { cause: error });
    this.#failure ??= failure;
    this.#pipe(fd).outbound?.fail(failure);
    void this.child.terminate();
  }

  #tellData(fd: number, bytes: Buffer): void {
    const protocol = this.#protocol;
    if (protocol?.childDataReceived !== undefined) protocol.childDataReceived(fd, bytes);
    else if (fd === 1) protocol?.outReceived?.(bytes);
    else if (fd === 2) protocol?.errReceived?.(bytes);
  }

  #pauseWriting(fd: number): void {
    const pipe = this.#pipe(fd);
    if (pipe.pauseTold || this.#order.state === "connecting") return;
    pipe.pauseTold = true;
    this.#call(() => this.#protocol?.pauseWriting?.(fd));
  }

  #resumeWriting(fd: number): void {
    const pipe = this.#pipe(fd);
    if (!pipe.pauseTold || pipe.outbound?.paused !== false || pipe.outbound.lost) return;
    pipe.pauseTold = false;
    this.#call(() => this.#protocol?.resumeWriting?.(fd));
  }

  #sideLost(fd: number): void {
    const { inbound, outbound } = this.#pipe(fd);
    if (inbound?.over !== false && outbound?.lost !== false) this.#post({ what: "lost", fd });
  }

  #lost(fd: number): void {
    const { outbound, readError } = this.#pipe(fd);
    if (outbound !== undefined) outbound.told = true;
    const error = readError ?? outbound?.error;
    this.#call(() => {
      const protocol = this.#protocol;
      if (protocol?.childConnectionLost !== undefined) protocol.childConnectionLost(fd, error);
      else if (fd === 0) protocol?.inConnectionLost?.(error);
      else if (fd === 1) protocol?.outConnectionLost?.(error);
      else if (fd === 2) protocol?.errConnectionLost?.(error);
    });
  }

  #exited(): void {
    const exit = this.child.exit as ExitState;
    this.#call(() => this.#protocol?.processExited?.(exit));
    this.#exitTold.settle(exit);
  }

  #end(): void {
    this.#call(() => this.#protocol?.connectionLost?.(this.#failure));
    this.#call(() => this.#protocol?.processEnded?.(this.child.exit as ExitState));
    this.#ended.settle();
    this.#context.emitDestroy();
  }
}

function checkFd(fd: unknown): number {
  return checkInteger(fd, "fd", 0, INT_MAX);
}

/** "HUP" is "SIGHUP". */
function fullName(signal: unknown): unknown {
  return typeof signal === "string" && /^(?!SIG)[A-Z]/.test(signal) ? `SIG${signal}` : signal;
}
