/**
 * Types only: compiled, never run. What brood/protocol takes and gives.
 */

import { Readable } from "node:stream";
import type { Child, ExitState } from "brood";
import {
  type PipeTransport,
  type ProcessProtocol,
  type ProcessTransport,
  type Producer,
  spawnProcess,
  subprocessExec,
  subprocessShell,
} from "brood/protocol";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

class Own implements ProcessProtocol {
  seen = 0;
  childDataReceived(_fd: number, data: Buffer): void {
    this.seen += data.length;
  }
}

export async function creation(): Promise<void> {
  same<ReturnType<typeof spawnProcess>, ProcessTransport>(true);
  const [transport, protocol] = await subprocessExec(() => new Own(), "cat", ["-"], {
    childFDs: { 0: "w", 1: "r", 2: 2, 5: "rw" },
  });
  same<typeof transport, ProcessTransport>(true);
  same<typeof protocol, Own>(true);
  await subprocessExec(() => ({}), "cat", { stdin: "ignore" });
  await subprocessShell(() => new Own(), "true", { cwd: "/" });
  spawnProcess(null, "true", { childFDs: {} });
  spawnProcess({ processExited: (state) => void (state satisfies ExitState) }, "true");
  // @ts-expect-error no such direction
  spawnProcess({}, "true", { childFDs: { 1: "x" } });
  // @ts-expect-error output is not collected
  spawnProcess({}, "true", { maxOutput: 5 });
  // @ts-expect-error a factory, not a protocol
  await subprocessExec(new Own(), "cat");
  // @ts-expect-error a misspelled argument
  spawnProcess({ childDataReceived: (fd: string) => fd }, "true");
}

export function transport(transport: ProcessTransport, producer: Producer, pipe: PipeTransport): void {
  same<ReturnType<typeof transport.getReturnCode>, number | null>(true);
  same<ReturnType<typeof transport.getPipeTransport>, PipeTransport | null>(true);
  same<ReturnType<typeof transport.wait>, Promise<ExitState>>(true);
  same<typeof transport.child, Child>(true);
  same<ReturnType<typeof transport.write>, boolean>(true);
  transport.registerProducer(producer, true);
  transport.registerProducer(["a", new Uint8Array(1)]);
  transport.registerProducer(Readable.from(["a"]));
  pipe.registerProducer(producer, false);
  // @ts-expect-error push or pull must be said
  transport.registerProducer(producer);
  // @ts-expect-error an iterable is neither
  transport.registerProducer(["a"], true);
  // @ts-expect-error pieces must be data
  transport.registerProducer([5]);
}
