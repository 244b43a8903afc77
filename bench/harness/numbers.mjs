/** Medians, ratios, and how they are written. */

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Whether more is better. */
const isRate = (unit) => unit === "GB/s";

/** How many times as long as the other it takes, by medians: above 1 is slower, whatever the unit. */
export function ratio(samples, others, unit) {
  const quotient = median(samples) / median(others);
  return isRate(unit) ? 1 / quotient : quotient;
}

/** Three digits. */
export function digits(value) {
  const size = Math.abs(value);
  return size >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(size >= 10 ? 1 : 2);
}

/** A value with its unit; long times in ms. */
export function format(value, unit) {
  return unit === "µs" && value >= 10_000 ? `${digits(value / 1000)} ms` : `${digits(value)} ${unit}`;
}

/** Median and extremes, as "4.2 ms (4.0–4.9)". */
export function formatSamples(samples, unit) {
  const middle = median(samples);
  const scale = unit === "µs" && middle >= 10_000 ? 1000 : 1;
  const [least, most] = [Math.min(...samples), Math.max(...samples)].map((value) => digits(value / scale));
  return `${format(middle, unit)} (${least}–${most})`;
}
