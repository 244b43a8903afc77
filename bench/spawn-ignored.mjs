/** Spawn, exec, exit, reap, with fds 0 to 2 on the null device. */
export default {
  name: "spawn-ignored",
  measurements: [
    {
      task: "exit",
      parameters: { stdio: "ignore", warm: 1500, ms: 300 },
      rows: [
        { id: "one", title: "one at a time", metric: "one", unit: "µs" },
        { id: "hundred", title: "100 at once, each", metric: "hundred", unit: "µs" },
      ],
    },
  ],
};
