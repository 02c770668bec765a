// What is typed into a field, as a value, and back. What cannot be read goes to the server as it is: its check says what is wrong.

import type { Json } from "../../api/types";
import { written } from "../../text/formats";
import type { Field } from "./schema";

const split = (text: string, by: RegExp) => text.split(by).map(part => part.trim()).filter(Boolean);
/** As JSON writes numbers, and a few ways more. `1,000` is no list of 1 and 000, nor `0x10` meant. */
const NUMBER = /^[+-]?(0|[1-9]\d*|(?=\.))(\.\d*)?(e[+-]?\d+)?$/i;
const number = (text: string): Json => (NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text);
/** `0,5` as it is written in Turkish and many other languages. */
const comma = (text: string) => /^[+-]?\d*,\d+(e[+-]?\d+)?$/i.test(text);

/** A thousand and a half to who writes so, 1.5 to others. */
const THOUSANDS = /^[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?$/;

/** Several numbers where one belongs make a grid: `0.01, 0.001`, or `0,01; 0,001`. A field that is empty says nothing. */
export function parse(text: string, field: Field, decimal = "."): Json | undefined {
  const trimmed = text.trim();
  if (field.kind === "list") {
    const items = split(trimmed, field.of === "number" && trimmed.includes(";") ? /[;\n]/ : /[,;\n]/);
    if (!items.length && field.nullable) return null;
    return field.of === "number" ? items.map(item => number(comma(item) ? item.replace(",", ".") : item)) : items;
  }
  if (trimmed === "" && field.nullable) return null;
  if (field.kind === "text") return trimmed;
  if (trimmed === "") return undefined;
  const typed = split(trimmed, /;|\s+|,(?=\s|$)/);
  if (decimal === "," && typed.some(part => THOUSANDS.test(part) || (field.kind === "integer" && comma(part)))) return trimmed;
  const parts = typed.flatMap(part => (field.kind === "number" && comma(part) ? [part] : split(part, /,/)));
  if (field.kind === "number" && parts.some(comma)) {
    // `0,5 0.25`: whoever writes both may mean either.
    if (parts.some(part => part.includes("."))) return trimmed;
    parts.forEach((part, i) => (parts[i] = part.replace(",", ".")));
  }
  // `1.000` is a thousand to some, and 1 to others.
  const one = (text: string): Json => (field.kind === "integer" && /[.,]/.test(text) ? text : number(text));
  // `1,000` and `1 000`.
  if (parts.some(part => /^0\d/.test(part))) return trimmed;
  const values = [...new Set(parts.map(one))];
  return values.length > 1 ? values : (values[0] ?? trimmed);
}

/** `decimal` is between whole and fraction; where that is a comma, another sign is between numbers. */
export function show(value: Json | undefined, decimal = "."): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) {
    const all = value.map(one => show(one, decimal));
    const fractions = value.some(one => typeof one === "number") && all.some(one => one.includes(","));
    // One alone would be two.
    return fractions ? all.join("; ") + (all.length > 1 ? "" : ";") : all.join(", ");
  }
  return typeof value === "number" ? written(value, decimal) : typeof value === "object" ? JSON.stringify(value) : String(value);
}
