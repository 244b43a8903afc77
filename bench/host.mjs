/** What it takes to start children through a spawn host, against starting them directly. */

const exits = (stdio, title) => ({
  task: "exit",
  parameters: { stdio, warm: 1500, ms: 250 },
  rows: [
    { id: `${stdio}-one`, title: `${title}, one at a time`, metric: "one", unit: "µs" },
    { id: `${stdio}-hundred`, title: `${title}, 100 in flight, each`, metric: "hundred", unit: "µs" },
  ],
});

const blocked = (what, steps, titles, stdio = "ignore") => ({
  task: "blocked",
  parameters: { what, stdio, steps: steps.join(","), warm: 800, ms: 200 },
  rows: steps.map((step, i) => ({
    id: `blocked-${stdio}-${what}-${step}`,
    title: `event loop blocked, ${titles[i]}`,
    metric: `us${step}`,
    unit: "µs",
  })),
});

export default {
  name: "host",
  contestants: ["c", "brood", "host"],
  gain: ["host", "brood"],
  measurements: [
    exits("ignore", "spawn and exit, no pipes"),
    exits("pipe", "spawn and exit, three pipes"),
    blocked("memory", [50, 4096], ["50 MiB resident", "4 GiB resident"]),
    blocked("fds", [18_000], ["18,000 open fds"]),
    blocked("fds", [0, 18_000], ["three pipes", "three pipes, 18,000 open fds"], "pipe"),
    {
      task: "slow",
      parameters: { delay: 20, rounds: 10 },
      rows: [{ id: "slow", title: "event loop blocked, opening takes 20 ms", metric: "us", unit: "µs" }],
    },
  ],
};
