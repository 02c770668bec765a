import type { Column } from "../api/types";

/** A running mean that forgets exponentially; unbiased from the first value on. `weight` of the past: 0 for none, below 1. */
export function smooth(values: Column, weight: number): Column {
  if (weight === 0) return values;
  let [sum, all] = [0, 0];
  return values.map(value => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    all = weight * all + (1 - weight);
    return sum / all;
  });
}
