import { expect, test } from "vitest";
import { formats } from "./formats";

const { number, figure } = formats("en");

test.each<[unknown, string, string]>([
  [0, "0", "0.000"],
  [12345.678, "12,346", "12,346"],
  [1234.5678, "1,235", "1,235"],
  [0.5, "0.5", "0.5000"],
  [0.00012345, "1.23E-4", "1.23E-4"],
  [12345678, "12,345,678", "12,345,678"],
  [19600000.5, "19,600,001", "19,600,001"],
  [1.5e9, "1.5E9", "1.5E9"],
  [null, "–", "–"],
  [NaN, "–", "–"],
])("%o is said as %s, and in a column as %s", (value, plain, told) => expect([number(value), figure(value)]).toEqual([plain, told]));
