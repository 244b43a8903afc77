/**
 * Results -> the generated parts of the documents, and the plots. Pure.
 */

import { contestants, contestantsOf } from "./contestants.mjs";
import { digits, formatSamples, ratio } from "./numbers.mjs";
import { plot } from "./plot.mjs";
import { soakPlot } from "./soak-plot.mjs";
import { targetTable } from "./targets.mjs";

const FOOTNOTES = "abcdefghijklmnopqrstuvwxyz";
export const PERFORMANCE = "docs/performance.md";

/** Where a question's table is. */
export const documentOf = (question) => question.document ?? PERFORMANCE;

/**
 * Gives the documents with their generated parts made anew, but those of which there are no results, and the plots by file name.
 *
 * @param {import("./questions.mjs").Question[]} questions
 * @param {Record<string, any>} results By question.
 * @param {Record<string, string>} before The documents by path.
 */
export function report(questions, results, before) {
  const documents = { ...before };
  const plots = {};
  const put = (path, name, content) => {
    documents[path] = replace(documents[path], name, content);
  };
  const answered = questions.filter(({ name }) => results[name] !== undefined);
  for (const question of answered) {
    const { rows: kept } = results[question.name];
    const rows = question.measurements.flatMap((measurement) => measurement.rows).filter(({ id }) => kept[id] !== undefined);
    const shown = contestantsOf(question).map((one) => ({ ...one, title: question.titles?.[one.id] ?? one.title }));
    const cells = Object.fromEntries(rows.map(({ id }) => [id, kept[id].cells]));
    plots[`${question.name}.svg`] = plot(question, rows, cells, shown);
    const image = `![Plot of: ${rows.map((row) => row.title).join("; ")}](performance/${question.name}.svg)`;
    put(documentOf(question), question.name, `${table(question, rows, cells, shown)}\n\n${image}`);
  }
  const { points } = results.soak;
  plots["soak.svg"] = soakPlot(points);
  const soakImage = "![Plot of: memory, fds and latency over the soak](performance/soak.svg)";
  put(PERFORMANCE, "soak", `${soakTable(points)}\n\n${soakImage}`);
  put(PERFORMANCE, "instructions", instructionsTable(results.instructions.counts));
  put(PERFORMANCE, "setting", settingOf(answered, results));
  put(PERFORMANCE, "targets", align(targetTable(results)));
  return { documents, plots };
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

/** What the numbers were made with; where rows were measured in different runs, which in which. */
function settingOf(questions, results) {
  const runs = {};
  for (const { name } of questions) {
    for (const [begun, setting] of Object.entries(results[name].runs)) {
      runs[begun] ??= { setting, names: [] };
      runs[begun].names.push(name);
    }
  }
  const all = Object.entries(runs).sort(([one], [other]) => (one < other ? -1 : 1));
  if (all.length === 1) return `All tables but the last two are of one run: ${described(all[0][1].setting)}`;
  return all.map(([, { setting, names }]) => `- ${names.join(", ")}: ${described(setting)}`).join("\n");
}

function described({ begun, rounds, minutes, otherCPUsBusy, stolen, note, versions, kernel, architecture, hugePages }) {
  const used = contestants
    .filter(({ id }) => versions[id] !== undefined)
    .map(({ id, title }) => `${id === "node" ? "Node" : id === "asyncio" ? "Python" : title} ${versions[id]}`);
  const made = `${used.join(", ")}; Linux ${kernel} on ${architecture}, transparent huge pages ${hugePages}`;
  const when = `${begun.replace("T", " ")} UTC`;
  if (note !== undefined) return `${when}, ${note}; ${made}.`;
  const lasted = `${when}, ${rounds} ${rounds === 1 ? "round" : "rounds"} in ${Math.ceil(minutes)} minutes`;
  const quiet = `the CPUs that were not measured on were busy for ${otherCPUsBusy}% of the time, ${stolen}% of the time went to other machines`;
  return `${lasted}; ${quiet}; ${made}.`;
}

function table(question, rows, results, shown) {
  const base = question.base ?? "c";
  const [over, of] = question.gain ?? ["node", "brood"];
  const hasGain = [over, of].every((id) => shown.some((one) => one.id === id));
  const reasons = [];
  const cell = (row, { id }) => {
    const { samples, absent } = results[row.id][id];
    if (samples === undefined) {
      if (!reasons.includes(absent)) reasons.push(absent);
      return `– (${FOOTNOTES[reasons.indexOf(absent)]})`;
    }
    const others = results[row.id][base].samples;
    const times = id !== base && others ? ` ×${digits(ratio(samples, others, row.unit))}` : "";
    return `${formatSamples(samples, row.unit)}${times}`;
  };
  const gain = (row) => {
    const [one, other] = [results[row.id][over].samples, results[row.id][of].samples];
    return one && other ? digits(ratio(one, other, row.unit)) : "–";
  };
  const lines = question.transposed
    ? [["", ...rows.map(({ title }) => title)], ...shown.map((one) => [one.title, ...rows.map((row) => cell(row, one))])]
    : [
        ["", ...shown.map(({ title }) => title), ...(hasGain ? [`${idTitle(over)} / ${idTitle(of)}`] : [])],
        ...rows.map((row) => [row.title, ...shown.map((one) => cell(row, one)), ...(hasGain ? [gain(row)] : [])]),
      ];
  const notes = reasons.map((reason, i) => `(${FOOTNOTES[i]}) ${reason}`).join("; ");
  return align(lines) + (notes === "" ? "" : `\n\n${notes}.`);
}

/** Short enough for two in the head of a column. */
const idTitle = (id) => ({ registered: "brood" })[id] ?? id;

/** A Markdown table as the formatter wants it. */
function align([head, ...body]) {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...body].map((cells) => cells[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
