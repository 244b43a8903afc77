/** What the end of one child costs with many others alive. */

const SERIES = { wall: "wall time of an exit", cpu: "CPU time of an exit", whole: "wall time, spawn and exit" };

const among = (alive) =>
  Object.entries(SERIES).map(([metric, series]) => ({
    id: `${metric}-${alive}`,
    title: `${alive.toLocaleString("en")} alive, ${series}`,
    metric: `${metric}${alive}`,
    unit: "µs",
    x: alive,
    series,
  }));

const SLOW = "starting 10,000 children takes it too long";

export default {
  name: "exits-alive",
  lines: true,
  measurements: [
    { task: "alive", parameters: { steps: "100,1000", warm: 3000, ms: 100 }, rows: [...among(100), ...among(1000)] },
    {
      task: "alive",
      parameters: { steps: "10000", warm: 3000, ms: 100 },
      absent: { execa: SLOW, asyncio: SLOW },
      rows: among(10_000),
    },
  ],
};
