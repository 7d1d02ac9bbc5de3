// SPDX-License-Identifier: Apache-2.0
/** The values of one quantity over time. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
}

const WIDTH = 900;
const PANEL_HEIGHT = 220;
const LEFT = 70;
const RIGHT = 20;
const TOP = 30;
const BOTTOM = 30;

/** Makes an SVG picture with one panel above the other for the series; `seconds` has the time of each value. */
export function renderPlot(title: string, seconds: readonly number[], series: readonly Series[]): string {
  const panels = series.map((one, index) => renderPanel({ seconds, series: one, top: index * PANEL_HEIGHT }));
  const size = `width="${WIDTH}" height="${series.length * PANEL_HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">\n<title>${title}</title>\n<rect ${size} fill="white"/>\n${panels.join("")}</svg>\n`;
}

interface Panel {
  readonly seconds: readonly number[];
  readonly series: Series;
  readonly top: number;
}

function renderPanel({ seconds, series: { name, unit, values }, top }: Panel): string {
  const end = Math.max(1, ...seconds);
  const highest = roundUp(Math.max(1, ...values));
  const floor = top + PANEL_HEIGHT - BOTTOM;
  const x = (second: number): string => (LEFT + (second / end) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number): string => (floor - (value / highest) * (PANEL_HEIGHT - TOP - BOTTOM)).toFixed(1);
  const points = values.map((value, index) => `${x(seconds[index] ?? 0)},${y(value)}`);
  const levels = [0, 0.5, 1].map((share) => {
    const level = share * highest;
    const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(level)}" y2="${y(level)}" stroke="#ddd"/>`;
    return `${line}<text x="${LEFT - 6}" y="${y(level)}" text-anchor="end">${level}</text>\n`;
  });
  const title = `<text x="${LEFT}" y="${top + TOP - 10}">${name} (${unit})</text>`;
  const axis = `<text x="${WIDTH - RIGHT}" y="${floor + 18}" text-anchor="end">${(end / 60).toFixed(1)} minutes</text>`;
  return `${levels.join("")}${title}\n${axis}\n<polyline fill="none" stroke="#1f77b4" stroke-width="1.5" points="${points.join(" ")}"/>\n`;
}

/** Returns the next round number for the end of an axis. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8].find((digit) => digit * power >= value) ?? 10) * power;
}

/** Returns the growth per second: the median of the slopes between all pairs of values, which single peaks do not change. */
export function slopeOf(seconds: readonly number[], values: readonly number[]): number {
  const slopes: number[] = [];
  for (const [index, value] of values.entries()) {
    for (let earlier = 0; earlier < index; earlier++) {
      const apart = (seconds[index] ?? 0) - (seconds[earlier] ?? 0);
      if (apart > 0) slopes.push((value - (values[earlier] ?? 0)) / apart);
    }
  }
  slopes.sort((one, other) => one - other);
  return slopes[Math.floor(slopes.length / 2)] ?? 0;
}
