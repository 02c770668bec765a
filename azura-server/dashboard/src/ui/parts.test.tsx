import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { smooth } from "../chart/smooth";
import { sorted } from "../pages/runs/sort";
import type { Run } from "../api/types";
import { formats } from "../text/formats";
import { en } from "../text/en";
import { tr } from "../text/tr";
import { csv } from "./csv";
import { Sparkline } from "./sparkline";

afterEach(cleanup);

test("cells that a spreadsheet would compute are text", () => {
  expect(csv([["a,b", '"', "=1+1", "-x", -1, null, NaN]])).toBe('"a,b","""",\'=1+1,\'-x,-1,,\r\n');
});

test("smoothing is unbiased from the first value on, and leaves gaps", () => {
  expect(smooth([4, 4, null, 4], 0.9).map(value => value && Math.round(value))).toEqual([4, 4, null, 4]);
  expect(smooth([0, 10], 0.5)[1]).toBeCloseTo(20 / 3);
});

test("runs without a value come last, whichever way one sorts", () => {
  const run = (rmse: number | null) => ({ results_summary: { rmse } }) as Run;
  const rmse = (runs: Run[]) => runs.map(run => run.results_summary.rmse);
  const all = [run(null), run(2), run(1)];
  expect(rmse(sorted(all, { key: "rmse", down: false }))).toEqual([1, 2, null]);
  expect(rmse(sorted(all, { key: "rmse", down: true }))).toEqual([2, 1, null]);
});

test("numbers and times are said in the language", () => {
  const [english, turkish] = [formats("en"), formats("tr")];
  expect(english.number(0.123456)).toBe("0.1235");
  expect(turkish.number(0.123456)).toBe("0,1235");
  expect(english.figure(0.5)).toBe("0.5000");
  expect([english.number(null), english.number(NaN)]).toEqual(["–", "–"]);
  expect(english.duration(61)).toBe("1m 1s");
  expect(english.age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:05:00Z"))).toBe("5 min. ago");
});

test("both languages say everything", () => {
  const keys = (texts: object): string[] => Object.entries(texts).flatMap(([key, value]) => (typeof value === "object" ? keys(value).map(inner => `${key}.${inner}`) : [key]));
  expect(keys(tr).sort()).toEqual(keys(en).sort());
});

test("a sparkline of nothing is a place kept free", () => {
  const { container } = render(<Sparkline values={[null]} label="Loss" />);
  expect(container.querySelector("svg")).not.toBeNull();
  expect(container.querySelector("polyline")).toBeNull();
});
