// What runs have in common, and in what they differ.

import type { Column, Config, History, Json, Run } from "../../api/types";
import { brief, rises, simplest, title } from "../runs/words";

/** Every value of a config by its dotted path. */
export function flat(value: Json, path = "", into: Record<string, Json> = {}): Record<string, Json> {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flat(inner, path ? `${path}.${key}` : key, into);
  } else into[path] = value;
  return into;
}

export interface Parameter {
  path: string;
  values: (Json | undefined)[];
  differs: boolean;
}

export function parameters(runs: Run[]): Parameter[] {
  const all = runs.map(run => flat((run.config ?? {}) as Config));
  const paths = [...new Set(all.flatMap(Object.keys))];
  return paths.map(path => {
    const values = all.map(config => config[path]);
    return { path, values, differs: new Set(values.map(value => JSON.stringify(value))).size > 1 };
  });
}

/** What each run is called beside the others: those of one name are told apart by what differs among them, or else by the beginning of their ids. */
export function labels(runs: Run[], decimal = "."): string[] {
  const names = runs.map(title);
  const alike = (all: string[]) => runs.map((_, i) => all.flatMap((name, j) => (name === all[i] ? [j] : [])));
  const told = alike(names).map((group, i) => {
    if (group.length === 1) return names[i];
    const own = telling(group.map(j => runs[j])).map(({ path, values }) => ({ path, value: values[group.indexOf(i)] })).filter(({ value }) => value !== undefined);
    const last = (path: string) => path.split(".").at(-1)!;
    const called = (path: string) => (own.filter(other => last(other.path) === last(path)).length > 1 ? path : last(path));
    return own.map(({ path, value }) => `${called(path)} ${brief(value, decimal)}`).join(" · ") || names[i];
  });
  const ids = (length: number) => runs.map(({ task_id }) => task_id.slice(0, length));
  const enough = [4, 8].find(length => new Set(ids(length)).size === runs.length) ?? 36;
  return alike(told).map((group, i) => (group.length > 1 ? `${told[i]} · ${ids(enough)[i]}` : told[i]));
}

/** The few parameters, three at most, that tell most of the runs apart. */
function telling(runs: Run[]): Parameter[] {
  let left = parameters(runs).filter(({ differs, path }) => differs && path !== "batch_name");
  const chosen: Parameter[] = [];
  const kinds = (by: Parameter[]) => new Set(runs.map((_, i) => JSON.stringify(by.map(({ values }) => values[i] ?? null)))).size;
  while (chosen.length < 3) {
    const [best, most] = left.reduce<[Parameter | undefined, number]>(([best, most], one) => (kinds([...chosen, one]) > most ? [one, kinds([...chosen, one])] : [best, most]), [undefined, kinds(chosen)]);
    if (!best || most === kinds(chosen)) break;
    chosen.push(best);
    left = left.filter(one => one !== best);
  }
  return chosen;
}

export interface Figure {
  name: string;
  values: (number | null)[];
  /** Which of them are the best; none if all are equal. */
  best: Set<number>;
}

export function figures(runs: Run[]): Figure[] {
  const metrics = runs.map(run => ({ ...(run.results?.metrics ?? {}), final_loss: run.results?.final_loss ?? null }) as Record<string, unknown>);
  const names = [...new Set(metrics.flatMap(Object.keys))];
  return names
    .map(name => ({ name, values: metrics.map(all => (typeof all[name] === "number" ? all[name] : null)) }))
    .filter(({ values }) => values.some(value => value !== null))
    .map(({ name, values }) => ({ name, values, best: bestOf(name, values) }));
}

/** How far the loss of runs came that have no final one: they were cancelled, have failed, or train yet. */
export function lastLoss(runs: { run: Run; history?: History }[]): Figure[] {
  const values = runs.map(({ run, history }) => (run.results?.final_loss == null ? (history?.columns.loss?.findLast(loss => loss !== null) ?? run.progress?.loss ?? null) : null));
  return values.some(value => value !== null) ? [{ name: "last_loss", values, best: new Set() }] : [];
}

/** Neither more nor less of these is better: an interval is to cover what it promises, and no more; a low loss in training may be learned by heart. */
const NEITHER = /^interval_|^support$|^final_loss$/;

export function bestOf(name: string, values: (number | null)[]): Set<number> {
  if (NEITHER.test(name)) return new Set();
  const known = values.filter(value => value !== null);
  const target = rises(name) ? Math.max(...known) : Math.min(...known);
  if (known.length < 2 || known.every(value => value === target)) return new Set();
  return new Set(values.flatMap((value, i) => (value === target ? [i] : [])));
}

/** Runs whose configs are equal but for the seed, two or more at a time, one of each seed: others of it are the same again. */
export function seeds(runs: Run[]): number[][] {
  const groups = new Map<string, Map<Json | undefined, number>>();
  runs.forEach((run, i) => {
    const { "training_params.seed": seed, batch_name: _, ...rest } = flat((run.config ?? {}) as Config);
    const key = JSON.stringify(Object.entries(rest).sort());
    const group = groups.get(key) ?? new Map();
    groups.set(key, group.has(seed) ? group : group.set(seed, i));
  });
  return [...groups.values()].filter(group => group.size > 1).map(group => [...group.values()]);
}

/** What a forecast that knows nothing comes to, if it is the same for all runs that have ended. */
export function yardstick(runs: Run[]) {
  const [first, ...others] = runs.flatMap(({ results }) => (results ? [simplest(results)] : []));
  return others.every(other => JSON.stringify(other) === JSON.stringify(first)) ? first : undefined;
}

/** The mean, and the spread as the standard deviation of a sample: of two at least. */
export function spread(values: (number | null)[]) {
  const known = values.filter(value => value !== null);
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length - 1);
  return known.length > 1 ? { mean, deviation: Math.sqrt(variance), count: known.length } : undefined;
}

/** Columns of several runs over all their epochs. */
export function aligned(courses: { epoch: Column; values: Column }[]): { x: Column; columns: Column[] } {
  const x = [...new Set(courses.flatMap(({ epoch }) => epoch as number[]))].sort((a, b) => a - b);
  const columns = courses.map(({ epoch, values }) => {
    const by = new Map(epoch.map((at, i) => [at, values[i]]));
    return x.map(at => by.get(at) ?? null);
  });
  return { x, columns };
}

export interface Axis {
  name: string;
  /** Where each run's value stands, from 0 at the foot to 1 at the top; null where there is none. */
  places: (number | null)[];
  ticks: { at: number; label: Json }[];
}

/** Labels closer than this would stand on each other. */
const APART = 0.08;
/** The ends, and between them what has room. */
const roomy = (ticks: Axis["ticks"]) =>
  ticks.reduce<Axis["ticks"]>((kept, tick, i) => (i === 0 || i === ticks.length - 1 || (tick.at - kept.at(-1)!.at >= APART && 1 - tick.at >= APART) ? [...kept, tick] : kept), []);

/** A numeric axis, logarithmic where the values span a power of ten; or one of names, in their order. */
export function axis(name: string, values: (Json | undefined)[]): Axis {
  const numbers = values.filter(value => typeof value === "number");
  const known = values.filter(value => value !== undefined && value !== null);
  if (numbers.length === known.length && numbers.length) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const log = low > 0 && high / low >= 10;
    const scale = log ? Math.log : (value: number) => value;
    const place = (value: number) => (high === low ? 0.5 : (scale(value) - scale(low)) / (scale(high) - scale(low)));
    const middle = log ? Math.sqrt(low * high) : (low + high) / 2;
    const few = [...new Set(numbers)].sort((a, b) => a - b);
    const ticks = few.length <= 5 ? few : [low, middle, high];
    return { name, places: values.map(value => (typeof value === "number" ? place(value) : null)), ticks: roomy(ticks.map(label => ({ at: place(label), label }))) };
  }
  const kinds = [...new Set(known.map(value => JSON.stringify(value)))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const place = (value: Json) => (kinds.length === 1 ? 0.5 : kinds.indexOf(JSON.stringify(value)) / (kinds.length - 1));
  return { name, places: values.map(value => (value == null ? null : place(value))), ticks: roomy(kinds.map(kind => ({ at: place(JSON.parse(kind)), label: JSON.parse(kind) }))) };
}

/** Whether all runs that have a value there have the same: then the axis tells no run from another. */
export const flatAxis = ({ places }: Axis) => new Set(places.filter(place => place !== null)).size < 2;
