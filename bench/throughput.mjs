/** How fast bytes move, in blocks of 64 KiB. */

const KINDS = { pipe64: "pipe of 64 KiB", pipe1m: "pipe of 1 MiB", socket: "socketpair" };

/** C has 512 KiB from the start. */
const GROWS = { grows: "pipe that grows to 512 KiB" };

const moved = (task, way, kinds) =>
  Object.entries(kinds).map(([kind, title]) => ({
    task,
    parameters: { kind, mib: 2048 },
    rows: [{ id: `${task}-${kind}`, title: `${way}, ${title}`, metric: "gbps", unit: "GB/s" }],
  }));

export default {
  name: "throughput",
  measurements: [...moved("receive", "child to parent", { ...KINDS, ...GROWS }), ...moved("send", "parent to child", KINDS)],
};
