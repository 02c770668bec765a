// Whether all that the Rust sources say to people is in the Turkish catalogues.

import { expect, test } from "vitest";
import { messages } from "./messages-tr";
import { report } from "./report-tr";
import { schema } from "./schema-tr";
import { sentences } from "./templates";
import { reported, told } from "./turkish";

const sources = import.meta.glob<string>(["../../../src/**/*.rs", "../../../../azura-{learner,queue}/src/**/*.rs", "!**/{test,tests}.rs"], { query: "?raw", import: "default", eager: true });

/** Files and folders whose texts are shown on pages. */
const SHOWN = [
  "azura-learner/src/config",
  "azura-learner/src/data",
  "azura-learner/src/error.rs",
  "azura-learner/src/files.rs",
  "azura-learner/src/learner.rs",
  "azura-learner/src/learner/resume.rs",
  "azura-learner/src/pipeline",
  "azura-learner/src/pipelines",
  "azura-learner/src/report",
  "azura-learner/src/snapshot.rs",
  "azura-learner/src/state.rs",
  "azura-queue/src/attempt.rs",
  "azura-queue/src/error.rs",
  "azura-queue/src/life.rs",
  "azura-queue/src/state.rs",
  "azura-queue/src/task.rs",
  "azura-server/src/app.rs",
  "azura-server/src/app",
  "azura-server/src/attempt.rs",
  "azura-server/src/body.rs",
  "azura-server/src/error.rs",
  "azura-server/src/fetch.rs",
  "azura-server/src/guard.rs",
  "azura-server/src/handler.rs",
  "azura-server/src/open_meteo.rs",
  "azura-server/src/predict.rs",
  "azura-server/src/routes/query.rs",
];

/** Texts in them that no page shows, and why. */
const UNSEEN: Record<string, string> = {
  "WAVEfmt ": "bytes of a file",
  "fmt ": "bytes of a file",
  "Adj Close": "the name of a column",
  "M{column} {row}h{run}v1h-{run}z": "the shape of a picture",
  "A name for runs that belong together.": "the form does not ask for it",
  "LastStep: wants [batch, time, size], not {shape:?}": "for who builds models",
  "What went wrong.": "the document of the interface",
  '{0:?} is no origin: expected a scheme, a host and perhaps a port, as in "https://lab.example:8443"': "the command line",
};

/** What Rust puts together of parts of words, and what comes of it. */
const COMPOSED: Record<string, string[]> = {
  "{n} {what}{}": ["1 row", "2 rows", "1 input", "2 inputs", "1 unit", "2 units", "1 picture", "2 pictures"],
  "{epochs} epoch{}": ["1 epoch", "2 epochs"],
  "{n} missing value{} of {} {} {how}": ["1 missing value of `x` was interpolated", "2 missing values of `x` were interpolated", "1 missing value of `x` was replaced by the last one before", "2 missing values of `x` were replaced by the last one before"],
  "{n} row{} with missing values {} left out": ["1 row with missing values was left out", "2 rows with missing values were left out"],
  "{steps} step{s} in time {is} missing, after {after}": ["1 step in time is missing, after 2020-01-01", "2 steps in time are missing, after 2020-01-01"],
  "no {what} column {}; {}": ["no numeric column `x`; there are: `y`", "no time column `x`; there is none", "no label column `x`; there are: `y`"],
  "the data are too large: more than {limit} {what}": ["bytes", "rows", "columns", "cells", "pixels", "files", "classes"].map(what => `the data are too large: more than 9 ${what}`),
  "byte {}: {what} of {bits} bits; {allowed} are allowed": ["byte 34: whole numbers of 12 bits; 8, 16, 24 or 32 are allowed", "byte 34: floats of 16 bits; 32 or 64 are allowed"],
  "{size} {what} are too few; at least {min}": ["3 entries are too few; at least 4", "3 characters are too few; at least 4"],
  "{size} {what} are too many; at most {max}": ["3 entries are too many; at most 2", "3 characters are too many; at most 2"],
  "The greatest error stands out: on {} the forecast was {} too {}, {}.": ["high", "low"].map(side => `The greatest error stands out: on 2020-01-01 the forecast was 3.5 too ${side}, which is worth a look at the data.`),
  "**It overfits from epoch {} on.** {lowest}, and ended {:.0} % above that: what was learned later did not carry over to new data. The model has the weights of epoch {epoch}.": [
    "**It overfits from epoch 3 on.** The validation loss was lowest in epoch 2, at 1.5, and ended 50 % above that: what was learned later did not carry over to new data. The model has the weights of epoch 2.",
  ],
};

/** What is for programmers: comments, attributes but for errors, logs, assertions; and what a module ends with, its tests. */
const SKIPPED = /\/\/[^\n]*|#!?\[(?!error)[\w:]+|(?:tracing::\w+!|(?:debug_)?assert\w*!|panic!|unreachable!|\.expect|\.expect_err)\(|'(?:\\[^']*|[^'\\])'/y;
const LITERAL = /r?"((?:\\[^]|[^"\\])*)"/y;

/** The string literals of a Rust file that may be shown to people. */
function literals(source: string): string[] {
  const [code] = source.split(/\n#\[cfg\(test\)\]\n(?:#\[[^\n]*\]\n)*mod/);
  const found: string[] = [];
  let skipping = 0;
  for (let at = 0; at < code.length; ) {
    const take = (pattern: RegExp) => {
      pattern.lastIndex = at;
      const match = pattern.exec(code);
      if (match) at = pattern.lastIndex;
      return match;
    };
    const literal = take(LITERAL);
    if (literal) {
      if (!skipping) found.push(JSON.parse(`"${literal[1].replace(/\\\n\s*/g, "").replace(/\\'/g, "'").replace(/\\u\{(\w+)\}/g, "\\u$1").replace(/\n/g, "\\n")}"`));
      continue;
    }
    const skipped = take(SKIPPED);
    if (skipped) {
      if (/[[(\w]$/.test(skipped[0]) && !skipped[0].startsWith("//")) skipping++;
      continue;
    }
    if (skipping) skipping += /[[(]/.test(code[at]) ? 1 : /[\])]/.test(code[at]) ? -1 : 0;
    at++;
  }
  return found;
}

/** With what varies and what is quoted as holes, and holes in a row as one. */
const plain = (text: string) => text.replace(/\{[^{}]*\}/g, "{}").replace(/`[^`]*`/g, "{}").replace(/\{\}(?: ?\{\})+/g, "{}");
/** The sentences of a text, without marks of lists and heads, and without holes at their ends. */
function pieces(text: string): string[] {
  const lines = plain(text).split("\n").map(line => line.replace(/^!\[(.*)\]\(.*\)$/, "$1").replace(/^(#+|-) /, ""));
  return lines.flatMap(sentences).map(piece => piece.replace(/^(?:[\s,;:.]|\{\})+|(?:[\s,;:.]|\{\})+$/g, ""));
}
/** Words, not names, patterns or markup. */
const isText = (text: string) => /\p{L}\p{L}/u.test(text.replace(/\{[^{}]*\}/g, "")) && / /.test(text) && !/^\s*<|="|%[-\w]/.test(text);

const covered = [...Object.keys(messages), ...Object.keys(report), ...Object.keys(schema)].map(plain);
const shown = Object.entries(sources).map(([path, source]) => ({ file: path.replace("../../../src", "azura-server/src").replaceAll("../", ""), source })).filter(({ file }) => SHOWN.some(one => file === one || file.startsWith(`${one}/`)));
const said = shown.flatMap(({ file, source }) => literals(source).map(text => ({ file, text })));

test("the sources are there", () => expect(SHOWN.filter(one => !shown.some(({ file }) => file.startsWith(one)))).toEqual([]));

test("every text that Rust says to people is in a catalogue", () => {
  const own = said.filter(({ text }) => isText(text) && !(text in UNSEEN) && !(text in COMPOSED));
  const missing = own.flatMap(({ file, text }) => pieces(text).filter(piece => !covered.some(english => english.includes(piece))).map(piece => `${file}: ${piece}`));
  expect(missing.join("\n")).toBe("");
});

/** Of pictures' files and of figures; and a unit. */
const NAMES = new Set("against errors steps importance rmse RMSE mae MAE mase accuracy unigram uniform ms".split(" "));

test("so is every word that stands alone in a report", () => {
  const words = said.filter(({ file, text }) => /pipelines\/.*(report|course|about)/.test(file) && /^[A-Za-z]{2,}$/.test(text) && !NAMES.has(text));
  expect(words.length).toBeGreaterThan(50);
  expect(words.filter(({ text }) => ![text, `{} ${text}`, `${text}: {}.`].some(english => english in report || english in messages))).toEqual([]);
});

test("what is told apart here is still said", () => {
  const texts = new Set(said.map(({ text }) => text));
  expect([...Object.keys(UNSEEN), ...Object.keys(COMPOSED)].filter(text => !texts.has(text))).toEqual([]);
});

const ENGLISH = /(?<!\p{L})(the|of|is|are|was|were|and|in|at|too|than|with|more|left|rows?)(?!\p{L})/iu;

test.each(Object.values(COMPOSED).flat())("%s is said in Turkish", text => {
  const turkish = [told(text), reported(text)].find(one => one !== text) ?? text;
  expect(turkish).not.toBe(text);
  expect(turkish).not.toMatch(ENGLISH);
});

test("a translation has the holes of its template", () => {
  const holes = (text: string, of: RegExp) => [...text.matchAll(of)].map(([hole]) => hole);
  const wrong = Object.entries({ ...schema, ...messages, ...report }).filter(([english, turkish]) => holes(turkish.replace(/[!,]\}/g, "}"), /\{[^{}]*\}/g).sort().join() !== holes(english, /\{\}/g).map((_, i) => `{${i}}`).join());
  expect(wrong).toEqual([]);
});
