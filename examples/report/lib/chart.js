// A stacked area chart as SVG text. d3 computes the shapes. This module has no rights.
import { max, ticks } from "d3-array";
import { area, curveMonotoneX, stack } from "d3-shape";

import { escape } from "./html.js";

const WIDTH = 800;
const HEIGHT = 360;
const MARGIN = { top: 20, right: 10, bottom: 46, left: 48 };

/** Returns a chart of `rows` over the column `x`, with one band for each of `keys`. */
export function stackedArea(rows, { x, keys, colors, unit }) {
  const series = stack().keys(keys)(rows);
  const top = max(series, (band) => max(band, (point) => point[1]));
  const left = (index) => MARGIN.left + (index * (WIDTH - MARGIN.left - MARGIN.right)) / (rows.length - 1);
  const height = (value) => HEIGHT - MARGIN.bottom - (value * (HEIGHT - MARGIN.top - MARGIN.bottom)) / top;

  const shape = area()
    .x((_, index) => left(index))
    .y0((point) => height(point[0]))
    .y1((point) => height(point[1]))
    .curve(curveMonotoneX);
  const bands = series.map((band) =>
    `<path d="${escape(shape(band))}" fill="${escape(colors[band.key])}"><title>${escape(band.key)}</title></path>`);

  const lines = ticks(0, top, 5).map((value) => {
    const y = height(value).toFixed(1);
    return `<path d="M${MARGIN.left},${y}H${WIDTH - MARGIN.right}" stroke="#0002"/>` +
      `<text x="${MARGIN.left - 6}" y="${y}" dy=".35em" text-anchor="end">${escape(value)}</text>`;
  });
  const labels = rows.flatMap((row, index) => (index % 6 === 0
    ? [`<text x="${left(index).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${escape(row[x])}</text>`]
    : []));
  const legend = keys.map((key, index) => {
    const start = MARGIN.left + index * 110;
    return `<rect x="${start}" y="${HEIGHT - 16}" width="12" height="12" fill="${escape(colors[key])}"/>` +
      `<text x="${start + 18}" y="${HEIGHT - 10}" dy=".35em">${escape(key)}</text>`;
  });

  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-size="12" font-family="system-ui, sans-serif">
<title>Amounts by source over time</title>
${bands.join("\n")}
${lines.join("\n")}
<text x="${MARGIN.left - 6}" y="10" text-anchor="end">${escape(unit)}</text>
${labels.join("\n")}
${legend.join("\n")}
</svg>`;
}
