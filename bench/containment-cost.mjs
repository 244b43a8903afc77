/** What each means of containment costs, against a spawn that is not contained. */
export default {
  name: "containment-cost",
  document: "docs/containment.md",
  contestants: ["brood", "group", "keeper", "keeper-host", "namespace", "cgroup"],
  titles: { brood: "not contained" },
  base: "brood",
  transposed: true,
  measurements: [
    {
      task: "exit",
      parameters: { stdio: "ignore", warm: 1200, ms: 300 },
      rows: [
        { id: "one", title: "one at a time", metric: "one", unit: "µs" },
        { id: "hundred", title: "100 at once, each", metric: "hundred", unit: "µs" },
      ],
    },
    {
      task: "keeper",
      parameters: {},
      rows: [
        { id: "resident", title: "its keeper: resident memory", metric: "resident", unit: "KiB" },
        { id: "own", title: "of that its own", metric: "own", unit: "KiB" },
      ],
    },
  ],
};
