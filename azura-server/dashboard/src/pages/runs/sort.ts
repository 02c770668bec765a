import type { Run } from "../../api/types";
import { title, type Metric } from "./words";

export type Key = "name" | "status" | "loss" | "age" | "epochs" | Metric;
export interface Order {
  key: Key;
  down: boolean;
}

/** `-rmse`: downwards by RMSE. */
export const parseOrder = (text: string | null): Order | undefined => (text ? { key: text.replace(/^-/, "") as Key, down: text.startsWith("-") } : undefined);
export const showOrder = ({ key, down }: Order) => (down ? "-" : "") + key;

const value = (run: Run, key: Key): number | string | null | undefined => {
  switch (key) {
    case "name":
      return title(run);
    case "status":
      return run.status;
    case "age":
      return run.created_at;
    case "epochs":
      return run.config_summary.epochs;
    case "loss":
      return run.results_summary.final_loss ?? run.progress?.loss ?? run.loss.at(-1);
    default:
      return run.results_summary[key];
  }
};

/** Runs that lack the value come last, whichever way. */
export function sorted(runs: Run[], order: Order | undefined): Run[] {
  if (!order) return runs;
  const sign = order.down ? -1 : 1;
  return runs.toSorted((a, b) => {
    const [x, y] = [value(a, order.key), value(b, order.key)];
    if (x == null || y == null) return Number(x == null) - Number(y == null);
    return sign * (typeof x === "string" ? x.localeCompare(String(y)) : x - Number(y));
  });
}
