// What lists say of a run.

import type { Heard } from "../../api/live";
import { average } from "../../api/speed";
import { ended, type Json, type Results, type Run } from "../../api/types";
import type { Text } from "../../text";
import { written } from "../../text/formats";

/** A run's name: what somebody called it, else what it learns from. */
export const title = (run: Run) => run.name ?? dataOf(run) ?? run.pipeline_name;
export const dataOf = ({ config_summary: { dataset, ticker, location } }: Run) => dataset ?? ticker ?? location;

export const METRICS = { rmse: "RMSE", mae: "MAE", r2_score: "R²", accuracy: "Accuracy" } as const;
export type Metric = keyof typeof METRICS;
/** Whether more of a figure is better. */
export const rises = (name: string) => /r2|accuracy|precision|recall|f1|skill|coverage/.test(name);

export function metricName(name: string, t: Text["t"]) {
  return t.metrics[name as keyof typeof t.metrics] ?? name.replaceAll("_", " ");
}

/** What a run's config says otherwise than the defaults: `lr 0.01`. What tells it from others of its batch comes first, also if it is the default. */
export function changes(run: Run, varied = "", byDefault = "", decimal = ".") {
  const first = new Set(varied.split("\n").filter(Boolean));
  const all = [...new Set([...first, ...Object.keys(run.changes)])].map(path => ({ path, name: path.split(".").at(-1)!, value: path in run.changes ? brief(run.changes[path], decimal) : byDefault }));
  return all.sort((a, b) => Number(first.has(b.path)) - Number(first.has(a.path)));
}

/** What differs within each batch, by its id: paths, a line each. */
export function variedBy(runs: Run[]): ReadonlyMap<string, string> {
  const batches = new Map<string, { size: number; paths: Map<string, { value: string; count: number; differs: boolean }> }>();
  for (const { batch_id: id, changes } of runs) {
    if (!id) continue;
    let batch = batches.get(id);
    if (!batch) batches.set(id, (batch = { size: 0, paths: new Map() }));
    batch.size++;
    for (const [path, now] of Object.entries(changes)) {
      const value = JSON.stringify(now);
      const seen = batch.paths.get(path);
      if (!seen) batch.paths.set(path, { value, count: 1, differs: false });
      else {
        seen.count++;
        seen.differs ||= seen.value !== value;
      }
    }
  }
  // Who has no value there has the default.
  const varied = ({ size, paths }: { size: number; paths: Map<string, { count: number; differs: boolean }> }) => [...paths].filter(([, { count, differs }]) => differs || count < size).map(([path]) => path);
  return new Map([...batches].map(([id, batch]) => [id, varied(batch).join("\n")]));
}

export function brief(value: Json | undefined, decimal = "."): string {
  if (value === undefined || value === null) return "–";
  if (Array.isArray(value)) return `[${value.map(one => brief(one, decimal)).join(decimal === "," ? "; " : ", ")}]`;
  if (typeof value === "number") return written(value, decimal);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Where a run that trains is, and how long it will take yet. */
export function course(run: Run, heard: Heard | undefined, now: number) {
  const fresh = heard && heard.attempt >= run.attempt && heard.seq >= (run.progress?.seq ?? 0);
  const known = fresh && !ended(run.status) ? heard : run.progress;
  if (!known) return undefined;
  const { epoch, total_epochs: total } = known;
  const since = run.started_at ? (now - Date.parse(run.started_at)) / 1000 : 0;
  // Where another attempt or another run left off, the list does not say.
  const rate = (fresh && heard.rate) || (run.attempt === 1 && !run.resumed_from && average(epoch, since));
  return { epoch, total, done: total ? epoch / total : 0, left: rate ? (total - epoch) / rate : undefined };
}

/** Seconds from a run's start to its end, or to now. */
export function took(run: Run, now: number) {
  if (!run.started_at) return undefined;
  const end = run.completed_at ?? run.failed_at;
  return ((end ? Date.parse(end) : now) - Date.parse(run.started_at)) / 1000;
}

/** The forecast that knows nothing, of those that stand beside a model's. */
export function simplest({ baselines = {} }: { baselines?: Results["baselines"] }) {
  const [name, figures] = Object.entries(baselines).find(([name]) => name === "persistence") ?? Object.entries(baselines).at(-1) ?? [];
  return name && figures ? { name, figures } : undefined;
}
