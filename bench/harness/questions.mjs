/**
 * What is asked: one file of bench/ each, in this order in the report.
 */

import blocked from "../blocked.mjs";
import containmentCost from "../containment-cost.mjs";
import echo from "../echo.mjs";
import exitsAlive from "../exits-alive.mjs";
import host from "../host.mjs";
import hosts from "../hosts.mjs";
import imports from "../import.mjs";
import memory from "../memory.mjs";
import register from "../register.mjs";
import run from "../run.mjs";
import runSync from "../run-sync.mjs";
import spawnIgnored from "../spawn-ignored.mjs";
import spawnPipes from "../spawn-pipes.mjs";
import throughput from "../throughput.mjs";

/**
 * @typedef {object} Question
 * @property {string} name Its name on the command line, in bench/results/ and in the report.
 * @property {number} [rounds] In how many rounds at most it is asked; default all.
 * @property {string} [document] Where its table is; default docs/performance.md.
 * @property {string[]} [contestants] Who takes part; default those of harness/contestants.mjs.
 * @property {Record<string, string>} [titles] Their titles here, where they are others.
 * @property {string} [base] The contestant to whom the others are compared (×); default "c".
 * @property {[string, string]} [gain] The last column: how many times as long as the second the first takes; default node and brood.
 * @property {boolean} [transposed] The table has a line for each contestant.
 * @property {boolean} [lines] The plot is of lines over the rows' `x`; else of dots, a line for each row and contestant.
 * @property {Measurement[]} measurements
 *
 * @typedef {object} Measurement One process for each contestant and round.
 * @property {string} task See bench/contestants/javascript.mjs.
 * @property {Record<string, string | number>} parameters
 * @property {Record<string, string>} [absent] Why a contestant does not take part.
 * @property {Row[]} rows What of its numbers goes where.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {string} metric The name of the number that the contestants print.
 * @property {"µs" | "ms" | "GB/s" | "KiB" | "fds"} unit Of GB/s more is better, of all others less.
 * @property {number} [x]
 * @property {string} [series] Rows of one series are one plot; default: all are.
 */

/** @type {Question[]} */
export const questions = [
  spawnIgnored,
  spawnPipes,
  blocked,
  host,
  hosts,
  exitsAlive,
  throughput,
  run,
  runSync,
  echo,
  imports,
  memory,
  containmentCost,
  register,
];
