// Line charts that are drawn anew whenever there is something new to see.

const MARGIN = { top: 10, right: 14, bottom: 26, left: 52 };
const MOST = 600;

/** Draws curves `{name, kind, points: [[x, y], ...]}`. The x axis has the whole `range`; `label(x)` and, with the pointer on it, `title(x)` name a place. */
export function draw(svg, curves, { range, label, title = label }) {
  const { width, height } = svg.getBoundingClientRect();
  const points = curves.flatMap(curve => curve.points);
  svg.replaceChildren();
  svg.onpointermove = svg.onpointerleave = null;
  if (!width || !points.length) return;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);

  const ys = ticks(Math.min(...points.map(p => p[1])), Math.max(...points.map(p => p[1])), 5);
  const [low, high] = [ys[0], ys.at(-1)];
  const [from, to] = range;
  const x = value => MARGIN.left + (value - from) / (to - from || 1) * (width - MARGIN.left - MARGIN.right);
  const y = value => height - MARGIN.bottom - (value - low) / (high - low || 1) * (height - MARGIN.top - MARGIN.bottom);

  for (const tick of ys) {
    add(svg, "line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) });
    add(svg, "text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, short(tick));
  }
  const places = ticks(from, to, Math.max(2, Math.floor(width / 110))).filter(tick => tick >= from && tick <= to && Number.isInteger(tick));
  for (const tick of places) {
    const anchor = x(tick) > width - 60 ? "end" : x(tick) < MARGIN.left + 30 ? "start" : "middle";
    add(svg, "text", { x: x(tick), y: height - 6, "text-anchor": anchor }, label(tick));
  }
  for (const { kind, points } of curves) {
    const path = thin(points).map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(" ");
    add(svg, "polyline", { class: `curve ${kind}`, points: path });
    if (points.length === 1) add(svg, "circle", { class: kind, cx: x(points[0][0]), cy: y(points[0][1]), r: 3 });
  }

  const over = add(svg, "g", { class: "tip" });
  svg.onpointerleave = () => over.replaceChildren();
  svg.onpointermove = event => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const near = curves.map(curve => ({ ...curve, point: nearest(curve.points, at, x) })).filter(curve => curve.point);
    over.replaceChildren();
    if (!near.length) return;
    const place = near.map(curve => curve.point[0]).reduce((a, b) => Math.abs(x(a) - at) <= Math.abs(x(b) - at) ? a : b);
    add(over, "line", { class: "cursor", x1: x(place), x2: x(place), y1: MARGIN.top, y2: height - MARGIN.bottom });
    const shown = near.filter(curve => curve.point[0] === place);
    for (const { kind, point } of shown) add(over, "circle", { class: kind, cx: x(point[0]), cy: y(point[1]), r: 4 });
    const lines = [title(place), ...shown.map(({ name, point }) => `${name} ${number(point[1])}`)];
    const wide = Math.max(...lines.map(line => line.length)) * 7 + 16;
    const left = x(place) + 12 + wide > width ? x(place) - 12 - wide : x(place) + 12;
    add(over, "rect", { x: left, y: MARGIN.top, width: wide, height: lines.length * 17 + 10, rx: 6 });
    lines.forEach((line, i) => add(over, "text", { x: left + 8, y: MARGIN.top + 19 + i * 17 }, line));
  };
}

/** A number with four digits that count. */
export function number(value) {
  if (typeof value !== "number") return "–";
  const size = Math.abs(value);
  return size >= 10000 || (size > 0 && size < 0.0001) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

function add(parent, tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

/** Round values from at or below `low` to at or above `high`. */
function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const found = [];
  for (let n = Math.floor(low / step); ; n += 1) {
    found.push(Number((n * step).toPrecision(12)));
    if (n * step >= high) return found;
  }
}

function short(value) {
  return Math.abs(value) >= 100000 || (value !== 0 && Math.abs(value) < 0.001) ? value.toExponential(0) : String(value);
}

function nearest(points, at, x) {
  return points.reduce((best, point) => !best || Math.abs(x(point[0]) - at) < Math.abs(x(best[0]) - at) ? point : best, null);
}

/** Of many points, the lowest and the highest of each stretch. */
function thin(points) {
  if (points.length <= 2 * MOST) return points;
  const size = Math.ceil(points.length / MOST);
  const kept = [];
  for (let start = 0; start < points.length; start += size) {
    const stretch = points.slice(start, start + size);
    const ends = [stretch.reduce((a, b) => b[1] < a[1] ? b : a), stretch.reduce((a, b) => b[1] > a[1] ? b : a)];
    kept.push(...ends.sort((a, b) => a[0] - b[0]));
  }
  return kept;
}
