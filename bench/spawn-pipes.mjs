/** Spawn, exec, exit, reap, with three pipes: the first is closed, the others are read to their end. */
export default {
  name: "spawn-pipes",
  measurements: [
    {
      task: "exit",
      parameters: { stdio: "pipe", warm: 1500, ms: 300 },
      rows: [
        { id: "one", title: "one at a time", metric: "one", unit: "µs" },
        { id: "hundred", title: "100 at once, each", metric: "hundred", unit: "µs" },
      ],
    },
    {
      task: "exit",
      // The others are a parent as small as its runtime makes it.
      parameters: { stdio: "pipe", resident: 50, warm: 1500, ms: 300 },
      rows: [{ id: "one-resident", title: "one at a time, 50 MiB resident", metric: "one", unit: "µs" }],
    },
  ],
};
