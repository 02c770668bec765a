import { expect, test } from "vitest";
import { stepsOf } from "./steps";

test.each<[string | null, number | undefined]>([
  ["1", 1],
  ["1000", 1000],
  [" 14 ", 14],
  ["0", undefined],
  ["-3", undefined],
  ["1.5", undefined],
  ["1001", undefined],
  ["100000", undefined],
  ["", undefined],
  [" ", undefined],
  ["abc", undefined],
  [null, undefined],
])("%o typed as steps is %o", (text, steps) => expect(stepsOf(text)).toBe(steps));
