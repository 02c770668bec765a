import { messages } from "./messages-tr";
import { report } from "./report-tr";
import { translator } from "./templates";
import { reported, told } from "./turkish";
import { expect, test } from "vitest";

const translate = translator({
  "It is {}.": "O {0}.",
  "{} looks at {}": "{1} görür {0}",
  "{} rows": "{0} satır",
  "{}: {}": "{0}: {1}",
  "a, b; and c": "a, b ve c",
  "{} is below the minimum {}": "{0}, en az {1}",
  "no number": "sayı değil",
  "{} is above {}": "{0,}, {1} üstünde",
  "{} in {}": "{1!} içinde {0}",
});

test.each([
  ["a, b; and c", "a, b ve c"],
  ["3 rows", "3 satır"],
  ["many rows", "many rows"],
  ["She looks at 3 rows", "3 satır görür She"],
  ["It is 0.5.", "O 0,5."],
  ["It is `0.5`.", "O `0.5`."],
  ["It is `3 rows`.", "O `3 rows`."],
  ["It is `a is below the minimum b`.", "O `a is below the minimum b`."],
  ["`1.5` is above 2.5", "`1,5`, 2,5 üstünde"],
  ["`a1.5` is above 2.5", "`a1.5`, 2,5 üstünde"],
  ["2.5 in 1.5", "1.5 içinde 2,5"],
  ["It is \uf000 `x`.", "It is \uf000 `x`."],
  ["It is 1.5.2.", "O 1.5.2."],
  ["It is −0.5 %.", "O −%0,5."],
  ["It is E. A. Poe. It is 1.5e-7.", "O E. A. Poe. O 1,5e-7."],
  ["/lr: `1` is below the minimum 2; /a/b: no number", "/lr: `1`, en az 2; /a/b: sayı değil"],
  ["`a; b` is below the minimum 2", "`a; b`, en az 2"],
  ["strange: things", "strange: things"],
  [" 3 rows\nno number", " 3 satır\nsayı değil"],
  ["1.25", "1,25"],
  ["", ""],
])("%o is %o", (english, turkish) => expect(translate(english)).toBe(turkish));

test.each([
  ["the config is invalid: /training_params/lr: `20.5` is above the maximum 10; /a: expected an integer or null, found the text \"x\"; and 2 more", "yapılandırma geçersiz: /training_params/lr: `20,5`, izin verilen en büyük değerin (10) üstünde; /a: beklenen: bir tam sayı ya da null; bulunan: “x” metni; ve 2 tane daha"],
  ["the config is invalid: /a: the data set `digits` holds pictures; a table is needed; /b: `0` must be greater than 0", "yapılandırma geçersiz: /a: veri kümesi `digits` resim içeriyor; gereken: tablo; /b: `0` olamaz; 0 değerinden büyük olmalı"],
  ["line 3, column `y`: `abc` is not a number", "3. satır, `y` sütunu: `abc` bir sayı değil"],
  ["100 rows are too few: the test part would have 1 row, and 2 are needed, one to look at and one to foresee", "100 satır çok az: test bölümüne 1 satır düşer, oysa biri bakmak, biri öngörmek için 2 satır gerekli"],
  ["expected true or false, found true", "beklenen: true ya da false; bulunan: true"],
])("%s", (english, turkish) => expect(told(english)).toBe(turkish));

test("a report's sentences", () => {
  expect(reported("**Worse than persistence: the typical error (RMSE) is 1.6 % higher.** As it stands, taking the last value is the better forecast.")).toBe(
    "**Son değer tahmininden kötü: tipik hata (RMSE) %1,6 daha yüksek.** Bu hâliyle son değeri yinelemek daha iyi bir tahmin.",
  );
});

test("texts that fit many templates in many ways end", () => {
  const begun = performance.now();
  // All texts of a template but the last, each many times: a search that goes back would try them in all ways.
  for (const literals of [...Object.keys(report), ...Object.keys(messages)].filter(text => text.split("{}").length > 3).map(text => text.split("{}")))
    for (const at of literals.keys()) {
      const text = literals.map((literal, i) => (i === at ? "" : `x${literal}`.repeat(Math.floor(2500 / literals.length / (literal.length + 1))))).join("");
      told(literals[0] + text);
      reported(literals[0] + text + literals.at(-1)!);
    }
  for (const text of ["x has at, ", "a: ", "a; ", " and more or ", "the config is invalid: ", "looks at of and says what will be in the next ", "{} rows. "]) for (const times of [20, 100, 1000]) told(`\`${text.repeat(times)}`);
  expect(performance.now() - begun).toBeLessThan(5000);
});
