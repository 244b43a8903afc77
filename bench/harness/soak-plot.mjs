/**
 * The soak's plot as SVG: what is left of each kind after so many spawns, on axes from zero.
 */

const WIDTH = 760;
const HEIGHT = 150;
const LEFT = 90;
const RIGHT = 90;
const GAP = 40;

const CHARTS = [
  { title: "resident memory, MiB", series: [{ key: "rssMiB", color: "#0072b2", name: "resident" }] },
  { title: "heap after collection, KiB", series: [{ key: "heapKiB", color: "#0072b2", name: "heap" }] },
  { title: "open fds", series: [{ key: "fds", color: "#0072b2", name: "fds" }] },
  {
    title: "spawn to closed, µs",
    series: [
      { key: "p50", color: "#009e73", name: "median" },
      { key: "p90", color: "#e69f00", name: "90%" },
      { key: "p99", color: "#d55e00", name: "99%" },
    ],
  },
];

const place = (value) => String(Math.round(value * 10) / 10);

/** The least of 1, 2, 5 times a power of ten that is not below a value. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value);
}

export function soakPlot(points) {
  const last = points.at(-1).spawns;
  const x = (spawns) => LEFT + (spawns / last) * (WIDTH - LEFT - RIGHT);
  const body = [];
  let top = 30;
  for (const { title, series } of CHARTS) {
    const most = ceiling(Math.max(...series.flatMap(({ key }) => points.map((point) => point[key]))));
    const y = (value) => top + HEIGHT - (value / most) * HEIGHT;
    body.push(`<text x="${LEFT}" y="${place(top - 8)}">${title}</text>`);
    for (const tick of [0, most / 2, most]) {
      body.push(`<path d="M${LEFT} ${place(y(tick))}H${WIDTH - RIGHT}" stroke="#dddddd" fill="none"/>`);
      body.push(`<text x="${LEFT - 6}" y="${place(y(tick) + 4)}" text-anchor="end">${tick.toLocaleString("en")}</text>`);
    }
    for (const { key, color, name } of series) {
      const path = points.map((point) => `${place(x(point.spawns))} ${place(y(point[key]))}`).join("L");
      body.push(`<path d="M${path}" stroke="${color}" fill="none"/>`);
      body.push(`<text x="${WIDTH - RIGHT + 6}" y="${place(y(points.at(-1)[key]) + 4)}" fill="${color}">${name}</text>`);
    }
    top += HEIGHT + GAP;
  }
  for (const share of [0, 0.5, 1]) {
    const spawns = share * last;
    body.push(
      `<text x="${place(x(spawns))}" y="${place(top - GAP + 18)}" text-anchor="middle">${spawns.toLocaleString("en")}</text>`,
    );
  }
  const title = `memory, fds and latency over ${last.toLocaleString("en")} spawns`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${top}" fill="#ffffff"/>`,
    '<g style="font-family: sans-serif; font-size: 11px" fill="#222222">',
    ...body,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}
