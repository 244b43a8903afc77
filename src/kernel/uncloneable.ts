/** Objects that stand for something of this environment, of which a copy would be of no use. */

interface WorkerThreads {
  markAsUncloneable?(object: object): void;
}

/**
 * Has structuredClone() and postMessage() throw a DataCloneError for an object, from Node 22.10 on; an older one makes an
 * empty object of it. The module is loaded only here: that takes half a millisecond.
 */
export function refuseClones(object: object): void {
  const { getBuiltinModule } = process as { getBuiltinModule?(name: string): unknown };
  (getBuiltinModule?.("node:worker_threads") as WorkerThreads | undefined)?.markAsUncloneable?.(object);
}
