/**
 * The three ways in: Twisted's, and asyncio's two.
 */

import { AbortError, wrongType } from "../errors.js";
import { throwLater } from "../kernel/uncaught.js";
import { DRAIN_TO_THE_END, readArguments, type SpawnOptions } from "../process/options.js";
import { start } from "../process/spawn.js";
import type { PathLike, TextLike } from "../program/options.js";
import { checkText } from "../program/validate.js";
import type { ProcessProtocol } from "./interface.js";
import { checkProtocol, PIPES, PROTOCOL_OPTION_NAMES, type ProtocolOptions, refusePipes, toSpawnOptions } from "./options.js";
import { ProcessTransport } from "./process-transport.js";
import { checkSignal } from "./until-aborted.js";

interface Call {
  file: unknown;
  args: unknown;
  options: SpawnOptions;
}

function readCall(file: unknown, args: unknown, given: unknown): Call {
  const { options, ...rest } = readArguments<ProtocolOptions>(args, given, PROTOCOL_OPTION_NAMES);
  return { file, args: rest.args, options: toSpawnOptions(options, file) };
}

function connect(
  protocol: ProcessProtocol | null,
  { file, args, options }: Call,
  onMade: (failed?: { error: unknown }) => void,
): ProcessTransport {
  return new ProcessTransport(protocol, start(file, args, options, PIPES, DRAIN_TO_THE_END), onMade);
}

/**
 * Starts a child, as `spawn` does, and gives its transport at once. What happens is told to the protocol, from the next turn of the
 * event loop on. `args` are without `argv[0]`.
 *
 * `protocol` null: nobody is told, and no fd can be a pipe. A `connectionMade` that throws: an `uncaughtException`, and the
 * child is killed.
 *
 * @throws as `spawn`: SpawnError, TypeError, RangeError, AbortError, UnsupportedError. Nothing is left behind.
 */
export function spawnProcess(protocol: ProcessProtocol | null, file: PathLike, options?: ProtocolOptions): ProcessTransport;
export function spawnProcess(
  protocol: ProcessProtocol | null,
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: ProtocolOptions,
): ProcessTransport;
export function spawnProcess(protocol: unknown, file: unknown, args?: unknown, options?: unknown): ProcessTransport {
  const checked = protocol === null ? null : checkProtocol(protocol);
  const call = readCall(file, args, options);
  if (checked === null) refusePipes(call.options);
  return connect(checked, call, (failed) => {
    if (failed !== undefined) throwLater(failed.error);
  });
}

/**
 * Starts a child with a protocol that `protocolFactory` makes; resolves to both when `connectionMade` has been called.
 *
 * Rejects if that throws, or `options.signal` aborts meanwhile: then the child has been killed and reaped, and the
 * protocol told so. An aborted signal before: nothing is created, and no protocol is made.
 *
 * @throws as `spawnProcess`, and what `protocolFactory` or `connectionMade` throws.
 */
export async function subprocessExec<Protocol extends ProcessProtocol>(
  protocolFactory: () => Protocol,
  file: PathLike,
  args?: readonly TextLike[] | ProtocolOptions,
  options?: ProtocolOptions,
): Promise<[transport: ProcessTransport, protocol: Protocol]> {
  if (typeof protocolFactory !== "function") throw wrongType("protocolFactory", "a function", protocolFactory);
  const call = readCall(file, args, options);
  const signal = checkSignal(call.options.signal, "options.signal");
  const aborted = (): AbortError => new AbortError("the creation of the process was aborted", signal?.reason);
  if (signal?.aborted) throw aborted();
  const protocol = checkProtocol(protocolFactory(), "the protocol that protocolFactory made") as Protocol;
  const transport = await new Promise<ProcessTransport>((resolve, reject) => {
    const made = connect(protocol, call, (failed) => {
      if (failed === undefined) resolve(made);
      else void made.ended.then(() => reject(failed.error));
    });
  });
  if (signal?.aborted) {
    transport.close();
    await transport.ended;
    throw aborted();
  }
  return [transport, protocol];
}

/** The same with a command line for `/bin/sh -c`. What is put into it must be quoted for the shell: better use `subprocessExec`. */
export async function subprocessShell<Protocol extends ProcessProtocol>(
  protocolFactory: () => Protocol,
  command: TextLike,
  options?: ProtocolOptions,
): Promise<[transport: ProcessTransport, protocol: Protocol]> {
  return subprocessExec(protocolFactory, "/bin/sh", ["-c", checkText(command, "command")], options);
}
