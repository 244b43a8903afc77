/**
 * Results -> the generated parts of docs/performance.md, and its plots. Pure.
 */

import { contestants } from "./contestants.mjs";
import { digits, formatSamples, ratio } from "./numbers.mjs";
import { plot } from "./plot.mjs";
import { soakPlot } from "./soak-plot.mjs";

const FOOTNOTES = "abcdefghijklmnopqrstuvwxyz";

/**
 * Gives the document with its generated parts made anew, and the plots by file name.
 *
 * @param {import("./questions.mjs").Question[]} questions
 * @param {Record<string, any>} results By question.
 * @param {string} document
 */
export function report(questions, results, document) {
  const plots = {};
  let text = replace(document, "setting", settingOf(Object.values(results)));
  for (const question of questions) {
    const result = results[question.name];
    const rows = question.measurements.flatMap((measurement) => measurement.rows);
    plots[`${question.name}.svg`] = plot(question, rows, result.rows);
    const image = `![${altText(rows)}](performance/${question.name}.svg)`;
    text = replace(text, question.name, `${table(rows, result.rows)}\n\n${image}`);
  }
  const { points } = results.soak;
  plots["soak.svg"] = soakPlot(points);
  text = replace(text, "soak", `${soakTable(points)}\n\n![Plot of: memory, fds and latency over the soak](performance/soak.svg)`);
  text = replace(text, "instructions", instructionsTable(results.instructions.counts));
  return { text, plots };
}

/** At the beginning (compiled by then), half way and at the end. */
function soakTable(points) {
  const chosen = [points[4], points[points.length >> 1], points.at(-1)];
  const head = ["after", "resident", "heap", "open fds", "median", "90%", "99%"];
  const cells = chosen.map(({ spawns, rssMiB, heapKiB, fds, p50, p90, p99 }) => [
    `${spawns.toLocaleString("en")} spawns`,
    `${rssMiB} MiB`,
    `${heapKiB.toLocaleString("en")} KiB`,
    String(fds),
    ...[p50, p90, p99].map((us) => `${us.toLocaleString("en")} µs`),
  ]);
  return align([head, ...cells]);
}

function instructionsTable(counts) {
  return align([["", "instructions"], ...Object.entries(counts).map(([part, count]) => [part, count.toLocaleString("en")])]);
}

/** Replaces what is between the markers of that name. */
function replace(document, name, content) {
  const begin = `<!-- bench ${name} -->`;
  const end = `<!-- end of ${name} -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no markers "${begin}" and "${end}"`);
  return `${document.slice(0, from)}${begin}\n\n${content}\n\n${document.slice(to)}`;
}

const altText = (rows) => `Plot of: ${rows.map((row) => row.title).join("; ")}`;

/** What the numbers were made with; where parts were measured at different times, all that there were. */
function settingOf(results) {
  const all = (pick) => [...new Set(results.map((result) => pick(result.setting)).filter(Boolean))].join(" and ");
  const versions = contestants.flatMap(({ id, title }) => {
    const found = all((setting) => setting.versions[id]);
    return found === "" ? [] : [`${id === "node" ? "Node" : id === "asyncio" ? "Python" : title} ${found}`];
  });
  const kernel = `Linux ${all((setting) => setting.kernel)} on ${all((setting) => setting.architecture)}`;
  const pages = `transparent huge pages: ${all((setting) => setting.hugePages)}`;
  return `Measured with ${versions.join(", ")}; ${kernel}; ${pages}.`;
}

function table(rows, results) {
  const reasons = [];
  const cells = rows.map((row) => {
    const result = results[row.id];
    const cell = ({ id }) => {
      const { samples, absent } = result[id];
      if (samples === undefined) {
        if (!reasons.includes(absent)) reasons.push(absent);
        return `– (${FOOTNOTES[reasons.indexOf(absent)]})`;
      }
      const times = id !== "c" && result.c.samples ? ` ×${digits(ratio(samples, result.c.samples, row.unit))}` : "";
      return `${formatSamples(samples, row.unit)}${times}`;
    };
    const { brood, node } = result;
    const gain = brood.samples && node.samples ? digits(ratio(node.samples, brood.samples, row.unit)) : "–";
    return [row.title, ...contestants.map(cell), gain];
  });
  const head = ["", ...contestants.map(({ title }) => title), "node / brood"];
  const notes = reasons.map((reason, i) => `(${FOOTNOTES[i]}) ${reason}`).join("; ");
  return align([head, ...cells]) + (notes === "" ? "" : `\n\n${notes}.`);
}

/** A Markdown table as the formatter wants it. */
function align([head, ...body]) {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...body].map((cells) => cells[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
