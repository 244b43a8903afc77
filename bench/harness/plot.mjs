/**
 * Plots as SVG, on a logarithmic axis: a row of dots for each row of the table, or, where the rows differ by
 * a number, lines over it. Bars from the least to the greatest sample, a dot at the median.
 */

import { digits, median } from "./numbers.mjs";

const WIDTH = 760;
const LEFT = 300;
const RIGHT = 20;
const LINE = 13;
const STYLE = "font-family: sans-serif; font-size: 11px";

const escapeText = (text) => text.replaceAll("`", "").replace(/&/g, "&amp;").replace(/</g, "&lt;");
const place = (value) => String(Math.round(value * 10) / 10);

/** A logarithmic scale with ticks at 1, 2, 5 times powers of ten. */
function logScale(values, from, to) {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const ticks = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  const low = ticks.findLast((tick) => tick <= least) ?? least;
  const high = ticks.find((tick) => tick >= most) ?? most;
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  const shown = inside.length > 12 ? inside.filter(isPower) : inside;
  const span = Math.log(high / low) || 1;
  return { at: (value) => from + (Math.log(value / low) / span) * (to - from), ticks: shown };
}

const isPower = (tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9;
const tickText = (tick) => (tick >= 1 ? tick.toLocaleString("en") : String(Number(tick.toPrecision(1))));

/** The contestants that have samples in these rows. */
const taking = (rows, results, contestants) => contestants.filter(({ id }) => rows.some((row) => results[row.id][id].samples));

function legend(shown, y) {
  let x = LEFT;
  const parts = [];
  for (const { title, color } of shown) {
    parts.push(`<circle cx="${x}" cy="${y}" r="4" fill="${color}"/><text x="${x + 8}" y="${y + 4}">${escapeText(title)}</text>`);
    x += 26 + title.length * 6.2;
  }
  return parts.join("\n");
}

function frame(title, height, body) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${place(height)}" role="img" aria-label="${escapeText(title)}">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${WIDTH}" height="${place(height)}" fill="#ffffff"/>`,
    `<g style="${STYLE}" fill="#222222">`,
    ...body,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

/** All plots of a question, as one picture. */
export function plot(question, rows, results, contestants) {
  const title = `${question.name}: ${rows[0].unit === "GB/s" ? "more" : "less"} is better`;
  return question.lines ? lines(title, rows, results, contestants) : dots(title, rows, results, contestants);
}

function dots(title, rows, results, contestants) {
  const body = [];
  let y = 20;
  body.push(legend(taking(rows, results, contestants), y));
  // Rows of different units, or of very different sizes, have axes of their own.
  for (const group of groupsOf(rows, results, contestants)) {
    const samples = group.flatMap((row) => contestants.flatMap(({ id }) => results[row.id][id].samples ?? []));
    const { at, ticks } = logScale(samples.map(atLeast), LEFT, WIDTH - RIGHT);
    const top = y + 14;
    const below = body.length;
    y = top;
    for (const row of group) {
      const taken = taking([row], results, contestants);
      y += 8;
      body.push(
        `<text x="${LEFT - 12}" y="${place(y + (taken.length * LINE) / 2 + 4)}" text-anchor="end">${escapeText(row.title)}</text>`,
      );
      for (const { id, color } of taken) {
        y += LINE;
        body.push(whisker(results[row.id][id].samples, color, (value) => [at(value), y - LINE / 2]));
      }
      y += 4;
    }
    const grid = ticks.map((tick) => `M${place(at(tick))} ${place(top)}V${place(y)}`).join("");
    body.splice(below, 0, `<path d="${grid}" stroke="#dddddd" fill="none"/>`);
    y += 14;
    for (const tick of ticks)
      body.push(`<text x="${place(at(tick))}" y="${place(y)}" text-anchor="middle">${tickText(tick)}</text>`);
    body.push(`<text x="${LEFT - 40}" y="${place(y)}" text-anchor="end" fill="#666666">${group[0].unit}</text>`);
    y += 10;
  }
  return frame(title, y, body);
}

const atLeast = (value) => Math.max(value, 0.01);

function groupsOf(rows, results, contestants) {
  const groups = [];
  const middleOf = (row) => median(contestants.flatMap(({ id }) => results[row.id][id].samples ?? []));
  for (const row of rows) {
    const group = groups.find(([first]) => first.unit === row.unit && Math.abs(Math.log10(middleOf(first) / middleOf(row))) < 1);
    if (group === undefined) groups.push([row]);
    else group.push(row);
  }
  return groups;
}

function whisker(samples, color, at) {
  const [x1, y1] = at(atLeast(Math.min(...samples)));
  const [x2, y2] = at(atLeast(Math.max(...samples)));
  const [x, y] = at(atLeast(median(samples)));
  return (
    `<path d="M${place(x1)} ${place(y1)}L${place(x2)} ${place(y2)}" stroke="${color}" stroke-width="2"/>` +
    `<circle cx="${place(x)}" cy="${place(y)}" r="4" fill="${color}"><title>${digits(median(samples))}</title></circle>`
  );
}

function lines(title, rows, results, contestants) {
  const series = [...new Set(rows.filter((row) => row.x !== undefined).map((row) => row.series))];
  const body = [legend(taking(rows, results, contestants), 20)];
  const gap = 60;
  const width = (WIDTH - RIGHT - gap * series.length) / series.length;
  const [top, bottom] = [40, 250];
  const numbered = rows.filter((row) => row.x !== undefined);
  const all = numbered.flatMap((row) => contestants.flatMap(({ id }) => results[row.id][id].samples ?? []));
  const vertical = logScale(all.map(atLeast), bottom, top);
  series.forEach((name, i) => {
    const left = gap + i * (width + gap);
    const own = numbered.filter((row) => row.series === name);
    const xs = own.map((row) => row.x);
    const across = (x) => left + 20 + (Math.log(x / xs[0]) / Math.log(xs.at(-1) / xs[0])) * (width - 40);
    const grid = vertical.ticks.map((tick) => `M${place(left)} ${place(vertical.at(tick))}h${place(width)}`).join("");
    body.push(`<path d="${grid}" stroke="#dddddd" fill="none"/>`);
    for (const tick of vertical.ticks) {
      body.push(`<text x="${place(left - 6)}" y="${place(vertical.at(tick) + 4)}" text-anchor="end">${tickText(tick)}</text>`);
    }
    for (const x of xs) {
      body.push(`<text x="${place(across(x))}" y="${bottom + 16}" text-anchor="middle">${x.toLocaleString("en")}</text>`);
    }
    body.push(
      `<text x="${place(left + width / 2)}" y="${bottom + 32}" text-anchor="middle" fill="#666666">${escapeText(`${own[0].unit}, ${name}`)}</text>`,
    );
    for (const { id, color } of contestants) {
      const points = own.filter((row) => results[row.id][id].samples);
      if (points.length === 0) continue;
      const path = points.map(
        (row) => `${place(across(row.x))} ${place(vertical.at(atLeast(median(results[row.id][id].samples))))}`,
      );
      body.push(`<path d="M${path.join("L")}" stroke="${color}" fill="none"/>`);
      for (const row of points) {
        body.push(whisker(results[row.id][id].samples, color, (value) => [across(row.x), vertical.at(value)]));
      }
    }
  });
  return frame(title, bottom + 44, body);
}
