// What is typed into a field, as a value, and back. What cannot be read goes to the server as it is: its check says what is wrong.

import type { Json } from "../../api/types";
import type { Field } from "./schema";

const split = (text: string, by: RegExp) => text.split(by).map(part => part.trim()).filter(Boolean);
const number = (text: string): Json => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
/** `0,5` as it is written in Turkish and many other languages. */
const COMMA = /^[+-]?\d*,\d+(e[+-]?\d+)?$/i;

/** Several numbers where one belongs make a grid: `0.01, 0.001`, or `0,01; 0,001`. A field that is empty says nothing. */
export function parse(text: string, field: Field): Json | undefined {
  const trimmed = text.trim();
  if (field.kind === "list") {
    const items = split(trimmed, /[,;\n]/);
    if (!items.length && field.nullable) return null;
    return field.of === "number" ? items.map(number) : items;
  }
  if (trimmed === "" && field.nullable) return null;
  if (field.kind === "text") return trimmed;
  if (trimmed === "") return undefined;
  const spaced = split(trimmed, /[;\s]+/);
  const decimal = field.kind === "number" && spaced.every(part => COMMA.test(part) || /^[+-]?\d+$/.test(part));
  const parts = decimal ? spaced.map(part => part.replace(",", ".")) : split(trimmed, /[,;\s]+/);
  return parts.length > 1 ? parts.map(number) : number(parts[0] ?? trimmed);
}

export function show(value: Json | undefined): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.map(show).join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value);
}
