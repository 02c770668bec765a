// What comes next: the model of a run, asked for so many steps.

import { useQuery } from "@tanstack/react-query";
import { useId, useMemo, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { forecast } from "../../api/queries";
import type { Forecast, Run } from "../../api/types";
import { Series } from "../../chart/series";
import { useText } from "../../text";
import { csv, save } from "../../ui/csv";
import { Failed } from "../../ui/notes";
import { LEAST, MOST, stepsOf } from "./steps";

export function ForecastTab({ run }: { run: Run }) {
  const { t, number } = useText();
  const id = useId();
  // What was asked is in the address: it is there again after a look at another tab, or a reload.
  const [params, setParams] = useSearchParams();
  const now = stepsOf(params.get("steps"));
  const [text, type] = useState(String(now ?? 14));
  const [refused, refuse] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const asked = useQuery({ ...forecast(run.experiment_id, now ?? 0), enabled: now !== undefined });
  return (
    <div className="stack">
      <form
        className="card row wrap"
        noValidate
        onSubmit={event => {
          event.preventDefault();
          const steps = stepsOf(text);
          refuse(steps === undefined);
          if (steps === undefined) input.current?.focus();
          else if (steps === now) void asked.refetch();
          else setParams(old => ({ ...Object.fromEntries(old), steps: String(steps) }), { replace: true });
        }}
      >
        <label className="row">
          {t.steps}
          <input
            ref={input}
            type="number"
            min={LEAST}
            max={MOST}
            aria-invalid={refused ? true : undefined}
            aria-describedby={refused ? `${id}-problem` : undefined}
            value={text}
            onChange={event => {
              type(event.target.value);
              if (stepsOf(event.target.value) !== undefined) refuse(false);
            }}
          />
        </label>
        <button className="primary" disabled={asked.isFetching}>
          {asked.isFetching ? t.forecasting : t.makeForecast}
        </button>
        <span className="small faint">{t.forecastText}</span>
        {refused && (
          <p id={`${id}-problem`} className="small problem" role="alert">
            {t.stepsRange(number(LEAST), number(MOST))}
          </p>
        )}
      </form>
      {/* What was asked before is no answer to what cannot be asked. */}
      {!refused && asked.isError && <Failed error={asked.error} />}
      {!refused && asked.data && <Answer answer={asked.data} run={run} />}
    </div>
  );
}

function Answer({ answer, run }: { answer: Forecast; run: Run }) {
  const { t, number } = useText();
  const { forecasted_series: next, actual_history: known, forecast_lower: lower = {}, forecast_upper: upper = {}, target_col } = answer;
  const interval = Object.keys(lower).length > 0;
  const rows = Object.entries(next).map(([time, value]) => ({ time, value, low: lower[time] ?? null, high: upper[time] ?? null }));
  const chart = useMemo(() => {
    const [past, future] = [Object.keys(known), Object.keys(next)];
    const blank = past.map(() => null);
    // The forecast sets out from the last value that is known.
    const from = blank.map((_, i) => (i === past.length - 1 ? known[past[i]] : null));
    return {
      times: [...past, ...future],
      truth: [...Object.values(known), ...future.map(() => null)],
      forecast: [...from, ...Object.values(next)],
      lower: Object.keys(lower).length ? [...blank, ...future.map(time => lower[time] ?? null)] : undefined,
      upper: Object.keys(upper).length ? [...blank, ...future.map(time => upper[time] ?? null)] : undefined,
    };
  }, [answer]);
  const table = [["time", target_col, ...(interval ? ["lower", "upper"] : [])], ...rows.map(({ time, value, low, high }) => [time, value, ...(interval ? [low, high] : [])])];
  return (
    <>
      <figure className="card">
        <figcaption>
          <h2>
            {t.forecast}: {target_col} <span className="faint small">{t.stepsN(number(rows.length))}</span>
          </h2>
          <button onClick={() => save(`${run.experiment_id}-forecast.csv`, csv(table))}>CSV</button>
        </figcaption>
        <Series label={`${t.forecast}: ${target_col}`} {...chart} />
      </figure>
      <div className="card flush scroll tall" tabIndex={0} role="region" aria-label={t.forecast}>
        <table className="plain-table wide">
          <thead>
            <tr>
              <th scope="col">{t.time}</th>
              <th scope="col" className="num">
                {target_col}
              </th>
              {interval && (
                <>
                  <th scope="col" className="num">{t.low}</th>
                  <th scope="col" className="num">{t.high}</th>
                </>
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ time, value, low, high }) => (
              <tr key={time}>
                <td>{time.replace("T00:00:00", "").replace("T", " ")}</td>
                <td className="num">{number(value)}</td>
                {interval && (
                  <>
                    <td className="num">{number(low)}</td>
                    <td className="num">{number(high)}</td>
                  </>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
