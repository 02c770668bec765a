import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import { brief, changes, variedBy } from "./words";

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
