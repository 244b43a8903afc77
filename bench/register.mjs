/** child_process, as it is and with brood's engine under it. */

const SIZES = [
  { id: "small", title: "", parameters: {} },
  { id: "1024", title: ", 1 GiB resident", parameters: { resident: 1024 } },
  { id: "4096", title: ", 4 GiB resident", parameters: { resident: 4096 } },
  { id: "others", title: ", 5,000 children alive", parameters: { others: 5000 } },
];

const CALLS = {
  spawn: "`spawn`, fds ignored",
  pipes: "`spawn`, three pipes",
  execFile: "`execFile` of a line",
  spawnSync: "`spawnSync` of a line",
  blocked: "event loop blocked by `spawn`",
};

const ALIVE = [100, 1000, 5000];

export default {
  name: "register",
  document: "docs/register.md",
  contestants: ["c", "node", "registered"],
  gain: ["node", "registered"],
  measurements: [
    ...SIZES.map((size) => ({
      task: "calls",
      parameters: { ...size.parameters, warm: 900, ms: 300 },
      rows: Object.entries(CALLS).map(([call, title]) => ({
        id: `${call}-${size.id}`,
        title: title + size.title,
        metric: call,
        unit: "µs",
      })),
    })),
    {
      task: "alive",
      parameters: { steps: ALIVE.join(","), warm: 3000, ms: 100 },
      rows: ALIVE.map((alive) => ({
        id: `alive-${alive}`,
        title: `the end of a child, ${alive.toLocaleString("en")} others alive`,
        metric: `wall${alive}`,
        unit: "µs",
      })),
    },
  ],
};
