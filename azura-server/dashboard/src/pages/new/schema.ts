// A form's fields, read off a config's JSON Schema.

import type { Config, Json, Schema } from "../../api/types";

export interface Field {
  path: string[];
  title: string;
  help: string;
  kind: "number" | "integer" | "text" | "switch" | "choice" | "list" | "record";
  /** Null means something: that there is none. */
  nullable: boolean;
  options: { value: string; help: string }[];
  /** What a list is of. */
  of: "number" | "text";
  least?: number;
  most?: number;
  /** Whether `least` and `most` themselves are out of reach. */
  above: boolean;
  below: boolean;
  /** Values that there are to choose from. */
  examples: string[];
  default: Json;
  /** Of a record that may be there or not. */
  fields: Field[];
}

export interface Group {
  id: string;
  title: string;
  help: string;
  /** Whether it can be a file of one's own, on the command line. */
  file: boolean;
  fields: Field[];
}

/** Not for a browser: the pipeline is chosen before, files are named on the command line only. */
const FILE = "data_sourcing.file";
const LEFT_OUT = ["pipeline_name", "batch_name", FILE];
/** A help of fewer words says no more than its title: `The model.` */
const WORDS = 6;

export function groups(schema: Schema): Group[] {
  const resolve = resolver(schema);
  const alone: Group = { id: "", title: "", help: "", file: false, fields: [] };
  const found: Group[] = [];
  for (const [id, raw] of properties(schema)) {
    if (LEFT_OUT.includes(id)) continue;
    const { schema: group } = resolve(raw);
    const { schema: type } = resolve({ $ref: raw.$ref });
    const help = [group, type].map(brief).find(help => help.split(" ").length >= WORDS) ?? "";
    if (group.properties) found.push({ id, title: group.title ?? id, help, file: Object.keys(group.properties).some(name => `${id}.${name}` === FILE), fields: fields(group, [id], resolve) });
    else alone.fields.push(field(raw, [id], resolve));
  }
  return alone.fields.length ? [...found, alone] : found;
}

/** The first paragraph of a description; others are for those who program. */
const brief = ({ description = "" }: Schema) => description.split("\n\n")[0].replaceAll("\n", " ");

/** The groups with what the data leave to choose from, by the JSON pointer of each field. */
export function offering(groups: Group[], choices: Record<string, string[]>): Group[] {
  const offer = (field: Field) => ({ ...field, examples: choices[`/${field.path.join("/")}`] ?? field.examples });
  return groups.map(group => ({ ...group, fields: group.fields.map(offer) }));
}

type Resolve = ReturnType<typeof resolver>;

/** Follows references, and takes apart what may be null. */
function resolver(root: Schema) {
  return function resolve(schema: Schema): { schema: Schema; nullable: boolean } {
    const { $ref, anyOf, ...own } = schema;
    if ($ref) {
      const target = resolve(root.$defs?.[$ref.split("/").at(-1)!] ?? {});
      // What is said in place is closer to the point than what is said of the type.
      return { ...target, schema: { ...target.schema, ...own } };
    }
    const others = anyOf?.filter(option => option.type !== "null");
    if (anyOf && others?.length === 1) {
      const target = resolve(others[0]);
      return { nullable: others.length < anyOf.length, schema: { ...target.schema, ...own } };
    }
    return { schema, nullable: Array.isArray(schema.type) && schema.type.includes("null") };
  };
}

/** In their order, as far as that is known. */
function properties({ properties = {}, "x-order": order = [] }: Schema) {
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.entries(properties).sort(([one], [other]) => place(one) - place(other));
}

function fields(schema: Schema, path: string[], resolve: Resolve): Field[] {
  return properties(schema)
    .map(([name, property]) => [[...path, name], property] as [string[], Schema])
    .filter(([path]) => !LEFT_OUT.includes(path.join(".")))
    .map(([path, property]) => field(property, path, resolve));
}

function field(raw: Schema, path: string[], resolve: Resolve): Field {
  const { schema, nullable } = resolve(raw);
  const type = [schema.type].flat().find(type => type !== "null");
  const options = (schema.oneOf ?? []).map(({ const: value, description }) => ({ value: String(value), help: brief({ description }) }));
  options.push(...(schema.enum ?? []).filter(value => value !== null).map(value => ({ value: String(value), help: "" })));
  const item = schema.items && resolve(schema.items).schema;
  const kinds: Record<string, Field["kind"]> = { number: "number", integer: "integer", boolean: "switch", array: "list" };
  return {
    path,
    title: schema.title ?? path.at(-1)!,
    help: brief(schema),
    kind: options.length ? "choice" : schema.properties ? "record" : (kinds[type ?? ""] ?? "text"),
    nullable,
    options,
    of: item?.type === "integer" || item?.type === "number" ? "number" : "text",
    least: schema.exclusiveMinimum ?? schema.minimum,
    most: schema.exclusiveMaximum ?? schema.maximum,
    above: schema.exclusiveMinimum !== undefined,
    below: schema.exclusiveMaximum !== undefined,
    examples: (schema.examples ?? []).map(String),
    default: schema.default ?? null,
    fields: schema.properties ? fields(schema, path, resolve) : [],
  };
}

export function valueAt(config: Json, path: string[]): Json | undefined {
  return path.reduce<Json | undefined>((value, key) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value[key] : undefined), config);
}

/** The config with another value there; without one, the server takes the default. */
export function withValue(config: Config, [key, ...rest]: string[], value: Json | undefined): Config {
  if (!rest.length) {
    const { [key]: _, ...others } = config;
    return value === undefined ? others : { ...config, [key]: value };
  }
  const inner = config[key];
  return { ...config, [key]: withValue(inner !== null && typeof inner === "object" && !Array.isArray(inner) ? inner : {}, rest, value) };
}

/** Everything in `config`, and what it leaves out as it is in `defaults`. */
export function merged(defaults: Json, config: Json): Json {
  const record = (value: Json): value is Config => value !== null && typeof value === "object" && !Array.isArray(value);
  if (!record(defaults) || !record(config)) return config;
  const all: Config = { ...defaults, ...config };
  for (const key in config) if (key in defaults) all[key] = merged(defaults[key], config[key]);
  return all;
}
