// Forecast against truth, along time.

import { useMemo } from "react";
import type { Column } from "../api/types";
import { useText } from "../text";
import { Plot, type Curve } from "./plot";

interface Props {
  label: string;
  times: string[];
  truth?: Column;
  forecast: Column;
  lower?: Column;
  upper?: Column;
  height?: number;
}

export function Series({ label, times, truth, forecast, lower, upper, height }: Props) {
  const { t } = useText();
  const curves: Curve[] = [{ label: t.forecast, colour: "--c1" }];
  const data = useMemo(() => {
    const at = times.map(time => instant(time) / 1000);
    // Where the axis is no calendar, rows are counted.
    const dated = at.every(Number.isFinite);
    return { dated, all: [dated ? at : times.map((_, i) => i), forecast, ...(truth ? [truth] : []), ...(upper?.length && lower?.length ? [upper, lower] : [])] };
  }, [times, truth, forecast, lower, upper]);
  if (truth) curves.push({ label: t.truth, colour: "--truth" });
  const end = curves.length;
  const interval = Boolean(upper?.length && lower?.length);
  if (interval) curves.push({ label: t.interval, colour: "--c1", ghost: true }, { label: t.interval, colour: "--c1", ghost: true });
  const bands = interval ? [{ series: [end + 1, end + 2] as [number, number], colour: "--c1" }] : undefined;
  return <Plot label={label} curves={curves} data={data.all} time={data.dated} bands={bands} xLabel={data.dated ? "" : t.row} height={height} />;
}

/** A day alone is midnight here, as a day with a time is, and not in Greenwich. */
function instant(time: string) {
  return Date.parse(/^\d{4}-\d\d-\d\d$/.test(time) ? `${time}T00:00:00` : time);
}
