/**
 * A hundred spawn hosts: their children watched by one monitor, that of this process, whose children they are; or by one for
 * each host, which is the parent and tells of them over its socket.
 */
export default {
  name: "hosts",
  contestants: ["host", "relay"],
  base: "host",
  gain: ["relay", "host"],
  titles: { host: "one monitor for all", relay: "one monitor for each host" },
  measurements: [
    {
      task: "hosts",
      parameters: { hosts: 100, warm: 1000, ms: 300 },
      rows: [
        { id: "spawn", title: "spawn and exit, one through each at once, each", metric: "us", unit: "µs" },
        { id: "exit", title: "an exit, from the kill until it is known", metric: "exit", unit: "µs" },
        { id: "fds", title: "fds of ours for each host", metric: "fds", unit: "fds" },
      ],
    },
  ],
};
