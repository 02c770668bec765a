import { expect, test } from "vitest";
import type { History, Run } from "../../api/types";
import { aligned, axis, figures, flatAxis, labels, lastLoss, parameters, seeds, spread } from "./data";

const run = (config: object, metrics?: object) => ({ config, results: metrics && { metrics, final_loss: 1, history: {} } }) as unknown as Run;

test("the best is the least error and the greatest share; a failed run is neither", () => {
  const found = figures([run({}, { rmse: 2, r2_score: 0.5 }), run({}, { rmse: 1, r2_score: 0.9 }), run({})]);
  const by = Object.fromEntries(found.map(figure => [figure.name, figure]));
  expect(by.rmse).toMatchObject({ values: [2, 1, null], best: new Set([1]) });
  expect(by.r2_score.best).toEqual(new Set([1]));
  expect(by.final_loss.best).toEqual(new Set());
});

test("a run without a final loss has a last one", () => {
  const of = (run: object, loss?: (number | null)[]) => ({ run, history: loss && { columns: { loss } } }) as unknown as { run: Run; history?: History };
  expect(lastLoss([of({ results: { final_loss: 1 } }, [9, 1]), of({ progress: { loss: 2 } }), of({ progress: { loss: 2 } }, [5, 4, null]), of({}, []), of({})])[0].values).toEqual([null, 2, 4, null, null]);
  expect(lastLoss([of({ results: { final_loss: 1 } }, [1]), of({})])).toEqual([]);
});

test("an interval is no better for being wide, nor for covering more than it promises", () => {
  const [{ best }, { best: widest }] = figures([run({}, { interval_coverage: 0.99, interval_width: 9 }), run({}, { interval_coverage: 0.9, interval_width: 4 })]);
  expect([best, widest]).toEqual([new Set(), new Set()]);
});

test("runs of one name are told apart by what differs among them", () => {
  const named = (name: string | null, task_id: string, config: object) => ({ name, task_id, pipeline_name: "voice", config_summary: {}, config }) as unknown as Run;
  const of = (lr: number, steps = 1) => ({ batch_name: String(lr), training_params: { lr, steps } });
  expect(labels([named("a", "11112", of(1)), named("b", "22223", { other: 1 }), named("a", "33334", of(2)), named(null, "44445", of(3)), named(null, "55556", of(3))])).toEqual(["lr 1", "b", "lr 2", "voice · 4444", "voice · 5555"]);
});

test("what tells no runs apart is not in their names", () => {
  const of = (size: number, kind: string, lr: number) => ({ task_id: `${size}${lr}`, name: "a", config: { size, kind, lr } }) as unknown as Run;
  expect(labels([of(64, "lstm", 1), of(64, "lstm", 2), of(32, "gru", 1), of(32, "gru", 2)])).toEqual(["size 64 · lr 1", "size 64 · lr 2", "size 32 · lr 1", "size 32 · lr 2"]);
});

test("configs are compared by path", () => {
  const found = parameters([run({ a: { lr: 1, n: [1] } }), run({ a: { lr: 2, n: [1] }, b: null })]);
  expect(found).toEqual([
    { path: "a.lr", values: [1, 2], differs: true },
    { path: "a.n", values: [[1], [1]], differs: false },
    { path: "b", values: [undefined, null], differs: true },
  ]);
});

test("runs that differ by their seeds only belong together", () => {
  const of = (lr: number, seed: number) => run({ training_params: { lr, seed } });
  expect(seeds([of(1, 1), of(1, 2), of(2, 1), of(1, 3)])).toEqual([[0, 1, 3]]);
  expect(spread([1, 2, 3, null])).toEqual({ mean: 2, deviation: 1, count: 3 });
  // A run once more, as a resumed one is, is no other seed; and one value has no spread.
  expect(seeds([of(1, 1), of(1, 1)])).toEqual([]);
  expect(seeds([of(1, 1), of(1, 1), of(1, 2)])).toEqual([[0, 2]]);
  expect([spread([null]), spread([1, null])]).toEqual([undefined, undefined]);
});

test("curves of different lengths share an axis", () => {
  expect(aligned([{ epoch: [1, 2], values: [5, 6] }, { epoch: [2, 3], values: [7, 8] }])).toEqual({ x: [1, 2, 3], columns: [[5, 6, null], [null, 7, 8]] });
});

test("axes are linear, logarithmic over a power of ten, or of names in their order", () => {
  expect(axis("n", [0, 5, 10]).places).toEqual([0, 0.5, 1]);
  const places = axis("lr", [0.001, 0.01, 0.1, null]).places;
  expect(places[1]).toBeCloseTo(0.5);
  expect(places[3]).toBeNull();
  expect(axis("lr", [0.003, 0.03, 0.003 * Math.sqrt(10)]).places[2]).toBeCloseTo(0.5);
  expect(axis("kind", ["lstm", "gru", "lstm"])).toMatchObject({ places: [1, 0, 1], ticks: [{ label: "gru" }, { label: "lstm" }] });
  expect(axis("shuffle", [true, false, null]).places).toEqual([1, 0, null]);
  expect(axis("channels", [[16, 32], [8, 16], [128]]).ticks.map(({ label }) => label)).toEqual([[8, 16], [16, 32], [128]]);
});

test("an axis on which all runs are equal tells none from another", () => {
  expect([[4, 4], ["gru", null, "gru"], [1, 2], ["a", "b"]].map(values => flatAxis(axis("x", values)))).toEqual([true, true, false, false]);
});

test("labels that would stand on each other give way, and never those of the ends", () => {
  expect(axis("rmse", [2.88, 2.96, 3.02, 5, 9.4]).ticks.map(({ label }) => label)).toEqual([2.88, 5, 9.4]);
  expect(axis("rmse", [1, 1.94, 1.97, 2]).ticks.map(({ label }) => label)).toEqual([1, 2]);
});
