/** How fast bytes move, in blocks of 64 KiB. */

const KINDS = { pipe64: "pipe of 64 KiB", pipe1m: "pipe of 1 MiB", socket: "socketpair" };

const moved = (task, way) =>
  Object.entries(KINDS).map(([kind, title]) => ({
    task,
    parameters: { kind, mib: 2048 },
    rows: [{ id: `${task}-${kind}`, title: `${way}, ${title}`, metric: "gbps", unit: "GB/s" }],
  }));

export default {
  name: "throughput",
  measurements: [...moved("receive", "child to parent"), ...moved("send", "parent to child")],
};
