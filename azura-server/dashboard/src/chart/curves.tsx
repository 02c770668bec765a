// The curves of one run by epoch: smoothed if one likes, raw behind, on a linear or a logarithmic axis.

import { useMemo, useState } from "react";
import type { Column } from "../api/types";
import { useText } from "../text";
import { Plot, type Curve } from "./plot";
import { smooth } from "./smooth";

export interface Line {
  label: string;
  colour: string;
  values: Column;
  dash?: boolean;
}

/** What people set for curves once, and keep. */
export function useScale() {
  const [log, setLog] = useState(false);
  const [weight, setWeight] = useState(0);
  return { log, setLog, weight, setWeight };
}
export type Scale = ReturnType<typeof useScale>;

export function ScaleControls({ log, setLog, weight, setWeight }: Scale) {
  const { t } = useText();
  return (
    <div className="row small controls">
      <label className="row">
        {t.chart.smooth}
        <input type="range" min="0" max="0.98" step="0.02" value={weight} onChange={event => setWeight(event.target.valueAsNumber)} />
      </label>
      <label className="row">
        <input type="checkbox" checked={log} onChange={event => setLog(event.target.checked)} /> {t.chart.log}
      </label>
    </div>
  );
}

export function Curves({ x, lines, scale, label, height, version }: { x: Column; lines: Line[]; scale: Scale; label: string; height?: number; version?: number }) {
  const { t } = useText();
  const { log, weight } = scale;
  const ghosts = weight > 0;
  const curves: Curve[] = lines.flatMap(({ label, colour, dash }) => {
    const curve = { label, colour, dash };
    return ghosts ? [{ ...curve, ghost: true }, curve] : [curve];
  });
  const data = useMemo(
    () => [x.slice() as number[], ...lines.flatMap(({ values }) => (ghosts ? [values.slice(), smooth(values, weight)] : [values.slice()]))],
    // The columns grow in place; `version` says when.
    [x, version, weight, lines.map(line => line.label).join(), lines.length],
  );
  return <Plot label={label} curves={curves} data={data} log={log} xLabel={t.epoch} height={height} />;
}
