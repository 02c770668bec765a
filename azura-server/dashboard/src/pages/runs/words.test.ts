import { expect, test } from "vitest";
import type { Heard } from "../../api/live";
import type { Run } from "../../api/types";
import { brief, changes, course, variedBy } from "./words";

const run = (batch_id: string | null, changes: Run["changes"]) => ({ batch_id, changes }) as Run;

test("values are told with the language's decimal sign", () => {
  expect([0.5, [16, 0.5], "0.5", null].map(value => brief(value, ","))).toEqual(["0,5", "[16; 0,5]", "0.5", "–"]);
  expect(brief([16, 0.5])).toBe("[16, 0.5]");
});

test("what differs within a batch is told first", () => {
  const common = { "model_params.kind": "gru", "training_params.epochs": 2, "training_params.shuffle": false };
  const runs = [run("a", { ...common, "training_params.lr": 0.1 }), run("a", common), run("b", { ...common, z: 1 }), run(null, { y: 1 })];
  runs.push(run("c", { x: 1, y: 1 }), run("c", { x: 2 }));
  const varied = variedBy(runs);
  expect([...varied]).toEqual([["a", "training_params.lr"], ["b", ""], ["c", "x\ny"]]);
  expect(changes(runs[0], varied.get("a")).map(({ name }) => name)).toEqual(["lr", "kind", "epochs", "shuffle"]);
  expect(changes(runs[1], varied.get("a"), "default")[0]).toEqual({ path: "training_params.lr", name: "lr", value: "default" });
  expect(changes(runs[2], varied.get("b")).map(({ name }) => name)).toEqual(["kind", "epochs", "shuffle", "z"]);
});

test("how long a run will take is said once it can be", () => {
  const started_at = "2026-03-01T12:00:00Z";
  const at = (seconds: number) => Date.parse(started_at) + 1000 * seconds;
  const training = (epoch: number, more: Partial<Run> = {}) => ({ status: "STARTED", attempt: 1, started_at, progress: { epoch, total_epochs: 100, seq: epoch, loss: 1 }, ...more }) as Run;
  const left = (run: Run, rate?: number) => course(run, rate === undefined ? undefined : ({ attempt: 1, seq: 999, epoch: 50, total_epochs: 100, rate } as Heard), at(40))?.left;
  expect(left(training(3))).toBeUndefined();
  expect(left(training(20))).toBe(160);
  expect(left(training(20), 0.5)).toBe(100);
  // That these came so far was not their own work alone.
  expect([left(training(20, { attempt: 2 })), left(training(20, { attempt: 2 }), 0.5), left(training(20, { resumed_from: "another" }))]).toEqual([undefined, undefined, undefined]);
});
