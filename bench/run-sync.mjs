/** Run a command for its output, blocking the thread. */
const LOOP = "it runs under an event loop";

export default {
  name: "run-sync",
  measurements: [
    {
      task: "runSync",
      parameters: { api: "own", warm: 800, ms: 300 },
      absent: { asyncio: LOOP },
      rows: [{ id: "own", title: "its own function", metric: "us", unit: "µs" }],
    },
    {
      task: "runSync",
      parameters: { api: "node", warm: 800, ms: 300 },
      absent: { execa: "it is not that API", asyncio: LOOP },
      rows: [{ id: "node", title: "by Node's spawnSync", metric: "us", unit: "µs" }],
    },
  ],
};
