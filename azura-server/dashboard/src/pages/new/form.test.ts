import { expect, test } from "vitest";
import type { Json, Schema } from "../../api/types";
import { groups, merged, offering, valueAt, withValue, type Field } from "./schema";
import { parse, show } from "./typed";

const schema: Schema = {
  properties: {
    pipeline_name: { const: "x", type: "string" },
    data_sourcing: { $ref: "#/$defs/Data" },
    training_params: { $ref: "#/$defs/Training", description: "How it is trained, and when that ends." },
    model_params: { $ref: "#/$defs/Model", description: "The model." },
    loose: { type: "integer", default: 3 },
  },
  $defs: {
    Data: { title: "Data", properties: { file: { type: ["string", "null"] }, hourly: { type: ["array", "null"], items: { type: "string" } } } },
    Model: { title: "Model", description: "What reads the window, and a layer behind it.", properties: {} },
    Training: {
      title: "Training",
      description: "Of the type.",
      properties: {
        lr: { type: "number", exclusiveMinimum: 0, maximum: 10, default: 0.003, title: "Learning rate", description: "First.\n\nFor programmers." },
        optimizer: { $ref: "#/$defs/Optimizer", default: "adam" },
        early_stopping: { anyOf: [{ $ref: "#/$defs/Early" }, { type: "null" }], default: null },
      },
    },
    Optimizer: { oneOf: [{ const: "adam", description: "Adam." }, { const: "sgd", description: "Plain." }] },
    Early: { properties: { patience: { type: "integer", default: 10, minimum: 1 } } },
  },
};

test("fields stand in the order in which the config's type has them", () => {
  const order = (schema: Schema) => groups({ properties: { part: schema } })[0].fields.map(({ path }) => path.at(-1));
  const properties = { a: {}, b: {}, c: {}, d: {} };
  expect([order({ properties }), order({ properties, "x-order": ["d", "b", "gone", "a"] })]).toEqual([["a", "b", "c", "d"], ["d", "b", "a", "c"]]);
});

test("what the data leave to choose from stands in the place of examples", () => {
  const form = groups({ properties: { data: { properties: { set: { type: "string", examples: ["a"] }, column: { type: "string" }, other: { type: "string", examples: ["x"] } } } } });
  const [{ fields }] = offering(form, { "/data/set": ["a", "b"], "/data/column": ["c"], "/elsewhere": ["d"] });
  expect(fields.map(({ examples }) => examples)).toEqual([["a", "b"], ["c"], ["x"]]);
});

test("groups and fields come from the schema, without what is not for a browser", () => {
  const found = groups(schema);
  expect(found.map(({ title, help }) => [title, help])).toEqual([["Data", ""], ["Training", "How it is trained, and when that ends."], ["Model", "What reads the window, and a layer behind it."], ["", ""]]);
  expect(found[0].fields.map(({ path }) => path.join("."))).toEqual(["data_sourcing.hourly"]);
  expect(found.map(({ file }) => file)).toEqual([true, false, false, false]);
  const [lr, optimizer, early] = found[1].fields;
  expect(lr).toMatchObject({ kind: "number", least: 0, above: true, most: 10, below: false, nullable: false, help: "First." });
  expect(optimizer).toMatchObject({ kind: "choice", default: "adam", options: [{ value: "adam" }, { value: "sgd" }] });
  expect(early).toMatchObject({ kind: "record", nullable: true, fields: [{ path: ["training_params", "early_stopping", "patience"] }] });
});

const field = (some: Partial<Field>) => ({ kind: "number", nullable: false, of: "text", ...some }) as Field;

test.each<[string, Partial<Field>, unknown]>([
  ["0.01", {}, 0.01],
  ["1e-3", {}, 0.001],
  ["0.01, 0.001", {}, [0.01, 0.001]],
  ["1 2;3", { kind: "integer" }, [1, 2, 3]],
  ["0.01,", {}, 0.01],
  ["abc", {}, "abc"],
  ["", {}, undefined],
  [" , ", {}, ","],
  ["0,5", {}, 0.5],
  ["-,5e-1", {}, -0.05],
  ["0,01; 0,001", {}, [0.01, 0.001]],
  ["0,1 1", {}, [0.1, 1]],
  ["1,2,3", {}, [1, 2, 3]],
  ["1.000", { kind: "integer" }, "1.000"],
  ["1,000", { kind: "integer" }, "1,000"],
  ["1 000", { kind: "integer" }, "1 000"],
  ["1, 1, 2", { kind: "integer" }, [1, 2]],
  ["7 7", { kind: "integer" }, 7],
  ["0x10", { kind: "integer" }, "0x10"],
  ["1e3", { kind: "integer" }, 1000],
  [".5", {}, 0.5],
  [".", {}, "."],
  ["-0.5", {}, -0.5],
  ["0,01, 0,001", {}, [0.01, 0.001]],
  ["10, 0,5", {}, [10, 0.5]],
  ["1e-3; 0,01", {}, [0.001, 0.01]],
  ["0,01; 0.001", {}, "0,01; 0.001"],
  ["0,5 0.25", {}, "0,5 0.25"],
  ["0.1,0.01", {}, [0.1, 0.01]],
  ["1, 2", {}, [1, 2]],
  ["16,32", { kind: "integer" }, [16, 32]],
  ["", { nullable: true }, null],
  ["a, b", { kind: "text" }, "a, b"],
  ["a, b", { kind: "list" }, ["a", "b"]],
  ["16, 32", { kind: "list", of: "number" }, [16, 32]],
  ["", { kind: "list", nullable: true }, null],
])("%o typed into %o is %o", (text, some, value) => expect(parse(text, field(some))).toEqual(value));

test("what is shown can be typed", () => {
  expect([0.01, null, undefined, [1, 2], "x"].map(value => show(value))).toEqual(["0.01", "", "", "1, 2", "x"]);
});

test.each<[Json, string, Partial<Field>?]>([
  [0.01, "0,01"],
  [-1.5e-7, "-1,5e-7"],
  [[0.01, 0.001], "0,01; 0,001"],
  [[10, 0.5], "10; 0,5"],
  [[1, 2], "1, 2", { kind: "integer" }],
  [[16, 32], "16, 32", { kind: "list", of: "number" }],
  [[0.25, 0.5], "0,25; 0,5", { kind: "list", of: "number" }],
  [[0.5], "0,5;", { kind: "list", of: "number" }],
  ["0.5", "0.5", { kind: "text" }],
])("%o is shown with a comma as %s, and that can be typed", (value, text, some = {}) => {
  expect(show(value, ",")).toBe(text);
  expect(parse(text, field(some))).toEqual(value);
});

test.each(["1.500", "1.500,5", "-1.500.000", "0,5; 1.500"])("%s is thousands where fractions have a comma, or is not: nobody guesses", text => expect(parse(text, field({}), ",")).toBe(text));
test("a fraction is no integer, and no grid of two, where fractions have a comma", () => {
  expect(parse("2,5", field({ kind: "integer" }), ",")).toBe("2,5");
  expect(parse("2, 5", field({ kind: "integer" }), ",")).toEqual([2, 5]);
});
test.each([["0.125", 0.125], ["1.5", 1.5], ["1500,5", 1500.5], ["1.25,0.5", [1.25, 0.5]]])("%s is %o there", (text, value) => expect(parse(text as string, field({}), ",")).toEqual(value));

test("values are set without touching what was", () => {
  const config = { a: { b: 1 } };
  expect(withValue(config, ["a", "c"], 2)).toEqual({ a: { b: 1, c: 2 } });
  expect(config).toEqual({ a: { b: 1 } });
  expect(withValue({ a: null }, ["a", "b"], 1)).toEqual({ a: { b: 1 } });
  expect(Object.keys(withValue(config, ["a", "b"], undefined).a as object)).toEqual([]);
  expect(valueAt(config, ["a", "x", "y"])).toBeUndefined();
  expect(merged({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 9 }, d: [] })).toEqual({ a: { b: 9, c: 2 }, d: [] });
});
