/** How long the event loop stands still for a spawn, by the size of the parent. */

const SERIES = { us: "resident memory of the parent, MiB", own: "the same, without the time in which others had the CPU" };

const sized = (resident, title) => [
  { id: `resident-${resident}`, title, metric: `us${resident}`, unit: "µs", x: resident, series: SERIES.us },
  {
    id: `own-${resident}`,
    title: `${title}, without others`,
    metric: `own${resident}`,
    unit: "µs",
    x: resident,
    series: SERIES.own,
  },
];

export default {
  name: "blocked",
  lines: true,
  measurements: [
    {
      task: "blocked",
      parameters: { what: "memory", steps: "50,1024,4096", warm: 600, ms: 200 },
      rows: [...sized(50, "50 MiB resident"), ...sized(1024, "1 GiB resident"), ...sized(4096, "4 GiB resident")],
    },
    {
      task: "blocked",
      parameters: { what: "fds", steps: "0,18000", warm: 600, ms: 200 },
      rows: [
        { id: "fds-0", title: "few open fds", metric: "us0", unit: "µs" },
        { id: "fds-18000", title: "18,000 open fds", metric: "us18000", unit: "µs" },
      ],
    },
    {
      task: "blocked",
      parameters: { what: "fds", stdio: "pipe", steps: "0,18000", warm: 600, ms: 200 },
      rows: [
        { id: "pipes", title: "three pipes", metric: "us0", unit: "µs" },
        { id: "pipes-fds-18000", title: "three pipes, 18,000 open fds", metric: "us18000", unit: "µs" },
      ],
    },
  ],
};
