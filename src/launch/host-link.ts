/**
 * The JavaScript side of the socket to a spawn host, or to a process that it has created: requests and their
 * answers, by number. The protocol is native/host.h's; native/exports_host.c and exports_host_answer.c speak it.
 */

import { HostError } from "../errors.js";
import { ECONNRESET, ENOTCONN, EPIPE, systemError } from "../kernel/errno.js";
import { EVENT, FIELD, FIELDS_PER_EVENT, unknownByKeeper } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";
import { LAUNCH } from "./failure.js";

/** `enum host_type` of native/host.h. */
export const REQUEST = { spawn: 2, create: 3, step: 4, exec: 5, give: 6, take: 7 } as const;

/** `enum host_extra`: what follows the program's inputs. `enum host_keeper`. */
export const EXTRA = { cgroup: 1, maps: 2, keeper: 4 } as const;
export const KEEPER = { keep: 1, init: 2 } as const;

/** What came back: `failure` is an `enum launch_failure`; the rest is as hostReceive() of exports_host_answer.c fills it in. */
export interface Answer {
  failure: number;
  rest: Int32Array;
}

/** The numbers of a request. */
export interface Numbers {
  /** Flags of clone(2): namespaces. */
  flags?: number;
  /** What the new child gets at clean-up. */
  signal?: number;
  grace?: number;
  argument?: number;
  /** Bits of EXTRA, and one of KEEPER. */
  extra?: number;
  keeper?: number;
}

/** Who has sent a request. One of the two is called, once, and must not throw. */
export interface Asker {
  /** `rest` is valid during the call only. */
  answered(failure: number, rest: Int32Array): void;
  /** The far side ended first. */
  lost(error: HostError): void;
}

/** What has been sent. */
export interface Sent {
  /** Our ends, for each input: entries of the monitor, -1 where there is none. They are the caller's. */
  pipes: readonly number[];
  /** @throws HostError: the far side ended first. */
  answer: Promise<Answer>;
}

/** Copies an answer for whoever awaits it. */
class Awaiting implements Asker {
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: HostError) => void;

  constructor(resolve: (answer: Answer) => void, reject: (error: HostError) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(failure: number, rest: Int32Array): void {
    this.#resolve({ failure, rest: copyRest(failure, rest) });
  }

  lost(error: HostError): void {
    this.#reject(error);
  }
}

/** Copies what an answer says beside whether it is a failure. */
export function copyRest(failure: number, rest: Int32Array): Int32Array {
  return rest.slice(0, failure === LAUNCH.ok ? 5 : 5 + (rest[4] as number));
}

/** `enum host_sent` of native/host_link.h: some of it waits until the kernel has memory, or fewer fds are on their way. */
const SENT_LATER = 2;
const LATER_MS = 5;

const EPOLLOUT = 4;
/** EPOLLERR, EPOLLHUP, EPOLLRDHUP. */
const HUNG_UP = 0x2018;
/** id, failure, errno, step, detail, signal, count, and an errno for each candidate: PROGRAM_TRIED_MAX. */
const out = new Int32Array(7 + 240);
const outRest = out.subarray(2);
const record = new Float64Array(FIELDS_PER_EVENT);
const NO_INPUTS = new Int32Array(0);
const NO_PIPES: readonly number[] = [];
const NO_NUMBERS: Numbers = {};
/** The number of the greeting, whose answer tells of no child. */
const GREETING = 0;

export class HostLink implements Watcher {
  readonly #monitor: Monitor = monitor();
  readonly #index: number;
  readonly #isHost: boolean;
  readonly #what: string;
  readonly #onEnd: () => void;
  readonly #pending = new Map<number, Asker>();
  /** A relay's children: its number for each, and our entry. */
  readonly #relayed = new Map<number, number>();
  /** An embryo is about to exec: if it ends next, that was it. */
  #executing = false;
  #nextId = 1;
  #ended: HostError | undefined;
  #later: NodeJS.Timeout | undefined;
  #retired = false;
  /** Its process has ended, but not yet all that has a copy of its socket. */
  #left = false;
  /** It has ended, and had not read all that was sent. */
  unread = false;
  /** Of a keeper: reads what it says without being asked. */
  onNotes: (() => void) | undefined;

  /**
   * Takes over the entry of a `packets` pipe. `far`: the entry of the host's process, which is killed when this is closed while
   * requests are under way; or a copy of a host. `what` names the far side in errors; `onEnd` is called once, when it has ended
   * or was closed.
   *
   * @throws Error with an errno's code. The entry is closed then.
   */
  constructor(pipe: number, far: number | "copy", what: string, onEnd: () => void) {
    this.#index = pipe;
    this.#isHost = far !== "copy";
    this.#what = what;
    this.#onEnd = onEnd;
    const result = this.#monitor.native.hostOpen(pipe, far === "copy" ? -1 : far);
    if (result < 0) {
      this.#monitor.remove(pipe);
      throw systemError(-result, "sendmsg");
    }
    this.#monitor.watch(pipe, this);
  }

  /** Whether it has ended by its exec. */
  get execed(): boolean {
    return this.#executing && this.ended;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Waits for the answer to the greeting that construction has sent. */
  greeted(): Promise<Answer> {
    return new Promise((resolve, reject) => this.#expect(GREETING, new Awaiting(resolve, reject)));
  }

  /** Sends a request, for one that awaits the answer. See ask(). */
  request(type: number, program: Uint8Array | null, inputs: Int32Array = NO_INPUTS, numbers: Numbers = NO_NUMBERS): Sent {
    let pipes = NO_PIPES;
    let failure: unknown;
    const answer = new Promise<Answer>((resolve, reject) => {
      try {
        pipes = this.ask(type, program, inputs, numbers, new Awaiting(resolve, reject));
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure;
    return { pipes, answer };
  }

  /**
   * Sends a request. What it needs of `program` and `inputs` is copied before this returns. Gives our ends, as `pipes` of
   * Sent. What could not be sent is answered at once, by a failure.
   *
   * @throws HostError: the far side has ended.
   */
  ask(type: number, program: Uint8Array | null, inputs: Int32Array, numbers: Numbers, asker: Asker): readonly number[] {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId;
    this.#nextId = id === 0x7fffffff ? 1 : id + 1;
    const room = inputs.length > out.length ? new Int32Array(inputs.length) : out;
    room[0] = numbers.flags ?? 0;
    room[1] = numbers.signal ?? 0;
    room[2] = numbers.grace ?? -1;
    room[3] = numbers.argument ?? 0;
    room[4] = numbers.extra ?? 0;
    room[5] = numbers.keeper ?? 0;
    const failure = this.#monitor.native.hostSend(this.#index, type, id, program, inputs, room);
    if (failure === LAUNCH.host && room[0] === EPIPE) {
      // It has ended, and the event that says so is yet to come.
      this.#end();
      throw this.#ended as unknown as HostError;
    }
    if (failure !== LAUNCH.ok) {
      asker.answered(failure, Int32Array.of(room[0], 0, 0, 0, 0));
      return NO_PIPES;
    }
    this.#expect(id, asker);
    if (inputs.length === 0) return NO_PIPES;
    const pipes: number[] = [];
    for (let i = 0; i < inputs.length; i++) pipes.push(room[i] as number);
    return pipes;
  }

  /** Hangs up. What is under way fails; children of which nobody has been told are ended. */
  close(): void {
    if (this.#ended === undefined) this.#end();
  }

  /** Hangs up when nothing is under way any more. */
  retire(): void {
    this.#retired = true;
    if (this.#pending.size === 0) this.close();
  }

  /** The host's process has ended. A child of its has a copy of its socket until it execs: that end is not waited for. */
  left(): void {
    this.#left = true;
    this.#receive(true);
  }

  /** @internal Called by the monitor. */
  onEvent(events: Float64Array, base: number): void {
    const mask = events[base + FIELD.code] as number;
    if ((mask & EPOLLOUT) !== 0) this.#flush();
    this.#receive((mask & HUNG_UP) !== 0);
  }

  /** Sends what waits. */
  #flush(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    if (this.#ended !== undefined) return;
    const result = this.#monitor.native.hostFlush(this.#index);
    if (result === SENT_LATER) this.#later = setTimeout(() => this.#flush(), LATER_MS);
    // Of the far side's end an event tells, when all that it has said has been read.
    else if (result < 0 && result !== -EPIPE) this.#end(systemError(-result, "sendmsg"));
  }

  /** Reads what has come. What comes later is an event of its own; `toTheEnd`: and so would not be an end that has come. */
  #receive(toTheEnd: boolean): void {
    const { native } = this.#monitor;
    while (this.#ended === undefined) {
      // It has answered: what follows is for whoever has asked.
      if (this.#pending.size === 0 && this.onNotes !== undefined) {
        this.onNotes();
        return;
      }
      const result = native.hostReceive(this.#index, out, record);
      if (result === 0) {
        if (this.#left) this.#end();
        return;
      }
      if (result === 1) {
        if (!this.#answered()) {
          // Only a relay says more than it is asked.
          if (this.#pending.size === 0 && this.#relayed.size === 0 && !toTheEnd) return;
          continue;
        }
        // Its states may be here already. Who asked for it watches its entry as soon as the answer's promise has
        // been seen to, in this turn: the rest is read in a later one.
        setImmediate(() => this.#receive(true));
        return;
      }
      if (result === 2) this.#changed();
      else if (result === 3) this.#executing = true;
      else {
        this.unread = result === -ECONNRESET;
        this.#end(this.unread || result === -ENOTCONN ? undefined : systemError(-result, "recvmsg"));
      }
    }
  }

  /** @internal Called by the monitor. */
  onFailure(error: Error): void {
    if (this.#ended === undefined) this.#end(error);
  }

  #expect(id: number, asker: Asker): void {
    // Somebody awaits it: the event loop must not end before it has come.
    this.#monitor.hold();
    this.#pending.set(id, asker);
  }

  /** Whether it told of a new child of a relay. */
  #answered(): boolean {
    const id = out[0] as number;
    const failure = out[1] as number;
    const asker = this.#pending.get(id);
    this.#pending.delete(id);
    this.#executing = false;
    const relayed = this.#isHost && id !== GREETING && failure === LAUNCH.ok && out[4] === 1;
    if (relayed) this.#relayed.set(out[5] as number, out[2] as number);
    if (asker !== undefined) {
      this.#monitor.release();
      asker.answered(failure, outRest);
    }
    if (this.#retired) this.retire();
    return relayed;
  }

  /** A relay tells of one of its children, or of an orphan that came to it. */
  #changed(): void {
    const pid = out[0] as number;
    const index = this.#relayed.get(pid);
    if (index === undefined) return;
    if (record[FIELD.type] === EVENT.child) {
      this.#relayed.delete(pid);
      record[FIELD.group] = this.#monitor.native.keptEnded(index);
    }
    this.#monitor.deliver(index, record, 0);
  }

  #end(cause?: Error): void {
    const options = cause === undefined ? undefined : { cause };
    clearTimeout(this.#later);
    this.#ended = new HostError(`${this.#what} has ended`, "ERR_HOST_ENDED", { stage: "host", errno: 0 }, options);
    this.#monitor.remove(this.#index);
    for (const asker of this.#pending.values()) {
      this.#monitor.release();
      asker.lost(this.#ended);
    }
    this.#pending.clear();
    this.#loseRelayed();
    this.#onEnd();
  }

  /**
   * Whoever could tell of a relay's children has ended: their end is unknown. Told in a later turn: one that an answer of
   * this turn told of is watched only when that answer's promise has been seen to.
   */
  #loseRelayed(): void {
    if (this.#relayed.size === 0) return;
    setImmediate(() => {
      for (const index of this.#relayed.values()) {
        const event = unknownByKeeper(index);
        event[FIELD.group] = this.#monitor.native.keptEnded(index);
        this.#monitor.deliver(index, event, 0);
      }
      this.#relayed.clear();
    });
  }
}
