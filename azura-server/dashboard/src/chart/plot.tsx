// A chart of curves: uPlot, with a zoom that outlives new data, a legend that keyboards reach, and colours of the theme.

import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useText } from "../text";
import { Icon } from "../ui/icon";
import { useTheme } from "../ui/theme";

export interface Curve {
  label: string;
  /** A custom property of the theme. */
  colour: string;
  /** Drawn faintly behind another curve, and not in the legend. */
  ghost?: boolean;
  dash?: boolean;
  /** Markers alone, for few values. */
  points?: boolean;
}

interface Props {
  label: string;
  curves: Curve[];
  /** The x values, then those of each curve. */
  data: (ArrayLike<number | null | undefined>)[];
  time?: boolean;
  log?: boolean;
  /** Areas between two curves: upper and lower, as numbers from 1. */
  bands?: { series: [number, number]; colour: string }[];
  xLabel: string;
  height?: number;
}

interface View {
  min: number;
  max: number;
}

export function Plot({ label, curves, data, time = false, log = false, bands, xLabel, height = 280 }: Props) {
  const { t, number, moment, date, language } = useText();
  const theme = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const values = useRef<(HTMLElement | null)[]>([]);
  const chart = useRef<uPlot>(undefined);
  // What was zoomed to; as long as nothing was, everything is shown as it grows.
  const view = useRef<View>(undefined);
  const [zoomed, setZoomed] = useState(false);
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set());
  const help = useId();
  const says = (value: number | null | undefined) => (value == null ? "–" : time ? moment(value * 1000) : number(value));

  const shown = useMemo(() => {
    const [x, ...ys] = data;
    // A logarithm has no place for what is not above zero.
    const safe = log ? ys.map(y => Array.from(y, value => (value != null && value > 0 ? value : null))) : ys;
    return [x, ...safe] as uPlot.AlignedData;
  }, [data, log]);

  function full(): View {
    const x = chart.current!.data[0];
    const [min, max] = [x[0] ?? 0, x[x.length - 1] ?? 1];
    return min === max ? { min: min - 0.5, max: max + 0.5 } : { min, max };
  }
  function look(to: View | undefined) {
    const u = chart.current;
    if (!u) return;
    const all = full();
    let wanted = to;
    if (wanted) {
      const width = Math.min(wanted.max - wanted.min, all.max - all.min);
      const min = Math.max(all.min, Math.min(wanted.min, all.max - width));
      wanted = width > 0 && width < all.max - all.min ? { min, max: min + width } : undefined;
    }
    view.current = wanted;
    setZoomed(Boolean(wanted));
    u.setScale("x", wanted ?? all);
  }
  function zoom(factor: number, around = 0.5) {
    const { min, max } = view.current ?? full();
    const at = min + around * (max - min);
    look({ min: at - (at - min) * factor, max: at + (max - at) * factor });
  }
  function pan(share: number) {
    const { min, max } = view.current ?? full();
    look({ min: min + share * (max - min), max: max + share * (max - min) });
  }

  const shape = JSON.stringify([curves, time, log, bands, xLabel, theme, language, height]);
  useEffect(() => {
    const style = getComputedStyle(box.current!);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const u = new uPlot(
      {
        width: box.current!.clientWidth,
        height,
        // Half of a label at the very end: of a date, or of a number of epochs.
        padding: [8, time ? 36 : 20, 0, 0],
        legend: { show: false },
        scales: { x: { time, auto: false }, y: log ? { distr: 3 } : {} },
        axes: [
          { ...axis, size: 30, space: time ? 64 : 50, values: (_, ticks, _axis, _space, step) => ticks.map(tick => (time ? date(tick * 1000, step) : Number.isInteger(tick) ? number(tick) : "")) },
          { ...axis, size: (_, ticks) => 16 + 7 * Math.max(3, ...(ticks ?? []).map(tick => tick.length)), values: (_, ticks) => ticks.map(tick => (tick === null ? "" : number(tick))) },
        ],
        series: [
          {},
          ...curves.map(curve => {
            const stroke = colour(curve.colour);
            return {
              label: curve.label,
              stroke: curve.ghost ? stroke + "40" : stroke,
              width: curve.points ? 0 : curve.ghost ? 1 : 2,
              dash: curve.dash ? [6, 4] : undefined,
              spanGaps: true,
              show: !hidden.has(curve.label),
              points: curve.points ? { show: true, size: 5, fill: stroke } : { size: 5, show: (u: uPlot, _: number, from: number, to: number) => to - from < Math.min(30, u.width / 16) && !curve.ghost },
            } satisfies uPlot.Series;
          }),
        ],
        bands: bands?.map(({ series, colour: name }) => ({ series, fill: colour(name) + "26" })),
        cursor: {
          y: false,
          drag: { x: true, y: false, setScale: false },
          points: { size: 7 },
          bind: {
            dblclick: () => () => (look(undefined), null),
            mousedown: (_u, _target, handler) => event => (event.shiftKey ? null : handler(event)),
          },
        },
        hooks: {
          setSelect: [
            u => {
              if (u.select.width < 4) return;
              look({ min: u.posToVal(u.select.left, "x"), max: u.posToVal(u.select.left + u.select.width, "x") });
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          setLegend: [u => tell(u)],
        },
      },
      shown,
      box.current!,
    );
    chart.current = u;
    u.setScale("x", view.current ?? full());

    function wheel(event: WheelEvent) {
      if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 200), event.offsetX / u.over.clientWidth);
      else if (view.current && Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / u.over.clientWidth);
      else return;
      event.preventDefault();
    }
    function grab(down: PointerEvent) {
      if (!down.shiftKey) return;
      let last = down.clientX;
      const move = (event: PointerEvent) => {
        pan((last - event.clientX) / u.over.clientWidth);
        last = event.clientX;
      };
      addEventListener("pointermove", move);
      addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
    }
    u.over.addEventListener("wheel", wheel, { passive: false });
    u.over.addEventListener("pointerdown", grab);
    const sized = new ResizeObserver(() => box.current && u.setSize({ width: box.current.clientWidth, height }));
    sized.observe(box.current!);
    return () => {
      sized.disconnect();
      u.destroy();
      chart.current = undefined;
    };
    // The data comes by the next effect; everything else that a chart is made of is in `shape`.
  }, [shape]);

  useEffect(() => {
    const u = chart.current;
    if (!u) return;
    if (u.data !== shown) {
      u.setData(shown, false);
      u.setScale("x", view.current ?? full());
    }
    tell(u);
  }, [shown, shape]);

  /** Writes into the legend what is under the cursor, or the newest values. */
  function tell(u: uPlot) {
    const at = u.cursor.idx;
    const [x, ...ys] = u.data;
    const index = at ?? x.length - 1;
    const [first, ...rest] = values.current;
    // The newest values may be of different moments.
    if (first) first.textContent = at == null ? "" : `${xLabel} ${says(x[index])}`;
    rest.forEach((element, i) => {
      if (element) element.textContent = number(at == null ? lastOf(ys[i]) : ys[i]?.[index]);
    });
  }

  function keys(event: KeyboardEvent) {
    const u = chart.current!;
    const step = (by: number) => {
      const last = u.data[0].length - 1;
      const index = Math.max(0, Math.min(last, (u.cursor.idx ?? last) + by));
      u.setCursor({ left: u.valToPos(u.data[0][index], "x"), top: 0 });
    };
    const acts: Record<string, () => void> = {
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(2),
      "0": () => look(undefined),
      Escape: () => look(undefined),
      ArrowLeft: () => (event.shiftKey ? pan(-0.2) : step(-1)),
      ArrowRight: () => (event.shiftKey ? pan(0.2) : step(1)),
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : acts[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  const legend = curves.map((curve, i) => ({ curve, i })).filter(({ curve }) => !curve.ghost);
  return (
    <div className="plot">
      <div className="legend">
        {legend.map(({ curve, i }) => (
          <button
            key={curve.label}
            className="plain"
            aria-pressed={!hidden.has(curve.label)}
            title={t.chart.toggle}
            onClick={() => {
              const next = new Set(hidden);
              if (!next.delete(curve.label)) next.add(curve.label);
              hide(next);
              curves.forEach((other, j) => other.label === curve.label && chart.current?.setSeries(j + 1, { show: !next.has(curve.label) }));
            }}
          >
            <i className={curve.dash ? "dash" : ""} style={{ color: `var(${curve.colour})` }} /> {curve.label}{" "}
            <b ref={element => void (values.current[i + 1] = element)} />
          </button>
        ))}
        <span className="at" ref={element => void (values.current[0] = element)} />
        <span className="tools">
          <button className="plain" aria-label={t.chart.in} title={t.chart.in} onClick={() => zoom(0.5)}>
            <Icon name="zoomIn" />
          </button>
          <button className="plain" aria-label={t.chart.out} title={t.chart.out} disabled={!zoomed} onClick={() => zoom(2)}>
            <Icon name="zoomOut" />
          </button>
          <button className="plain" aria-label={t.chart.all} title={t.chart.all} disabled={!zoomed} onClick={() => look(undefined)}>
            <Icon name="reset" />
          </button>
        </span>
      </div>
      <div ref={box} className="canvas" style={{ height }} role="application" aria-roledescription={t.chart.chart} aria-label={label} aria-describedby={help} tabIndex={0} onKeyDown={keys} />
      <span id={help} hidden>
        {t.chart.help}
      </span>
    </div>
  );
}

function lastOf(values: ArrayLike<number | null | undefined> | undefined) {
  for (let i = (values?.length ?? 0) - 1; i >= 0; i--) if (values![i] != null) return values![i];
  return undefined;
}
