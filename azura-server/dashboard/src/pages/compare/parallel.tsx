// Parallel coordinates: each run a line, each parameter and figure an axis with its own true scale.

import { useState } from "react";
import { useText } from "../../text";
import { brief } from "../runs/words";
import type { Axis } from "./data";

const HEIGHT = 282;
const GAP = 150;
const EDGE = { top: 60, side: 76, foot: 26 };
/** Letters that fit between two axes. */
const FITS = 20;

export function Parallel({ axes, names, colours }: { axes: Axis[]; names: string[]; colours: string[] }) {
  const { t, number, decimal } = useText();
  const [held, hold] = useState<number>();
  const width = 2 * EDGE.side + (axes.length - 1) * GAP;
  const crowded = axes.some(({ name }) => name.split(".").at(-1)!.length > FITS);
  const x = (i: number) => EDGE.side + i * GAP;
  const y = (place: number) => HEIGHT - EDGE.foot - place * (HEIGHT - EDGE.top - EDGE.foot);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t.parallel}>
      <svg className="parallel" viewBox={`0 0 ${width} ${HEIGHT}`} style={{ minWidth: width, maxWidth: width * 1.5 }} role="img" aria-label={t.parallelText(names.length, axes.length)}>
        {axes.map(({ name }, i) => (
          <g key={name}>
            <text className="name" x={x(i)} y={18 + (crowded ? (i % 2) * 14 : 14)} textAnchor="middle">
              {name.split(".").at(-1)}
              <title>{name}</title>
            </text>
            <line className="axis" x1={x(i)} x2={x(i)} y1={y(0)} y2={y(1)} />
          </g>
        ))}
        {names.map((name, run) => (
          <g key={run} className={held === undefined ? "" : held === run ? "held" : "dim"} onPointerEnter={() => hold(run)} onPointerLeave={() => hold(undefined)} style={{ color: `var(${colours[run]})` }}>
            <title>{name}</title>
            {/* A value that is missing breaks the line; it is never drawn as zero. */}
            <path d={trace(axes.map(axis => axis.places[run]), x, y)} />
            {axes.map(({ places }, i) => places[run] !== null && <circle key={i} cx={x(i)} cy={y(places[run]!)} r="3.5" />)}
          </g>
        ))}
        {axes.map(({ name, ticks }, i) =>
          ticks.map(({ at, label }) => {
            const text = typeof label === "number" ? number(label) : brief(label, decimal);
            // At the ends there is room without lines, above and below.
            const end = at === 0 ? 17 : at === 1 ? -9 : undefined;
            return (
              <text key={`${name} ${at}`} className="tick" x={x(i) + (end ? 0 : i ? 9 : -9)} y={y(at) + (end ?? 4)} textAnchor={end ? "middle" : i ? "start" : "end"}>
                {text.length > FITS ? `${text.slice(0, FITS - 1)}…` : text}
                <title>{text}</title>
              </text>
            );
          }),
        )}
      </svg>
    </div>
  );
}

function trace(places: (number | null)[], x: (i: number) => number, y: (place: number) => number) {
  return places.map((place, i) => (place === null ? "" : `${i === 0 || places[i - 1] === null ? "M" : "L"}${x(i)} ${y(place).toFixed(1)}`)).join("");
}
