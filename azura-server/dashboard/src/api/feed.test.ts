import { expect, test } from "vitest";
import { Course } from "./feed";
import type { Frame } from "./types";

const start = () => new Course({ seq: 2, attempt: 1, status: "STARTED", columns: { epoch: [], total_epochs: [], loss: [] }, epochs: 0, validation: null, events: [] });
const epoch = (seq: number, epoch: number, more = {}): Frame => ({ state: "PROGRESS", seq, attempt: 1, details: { epoch, total_epochs: 9, loss: 1 / epoch, ...more } });

test("frames are taken once, however often they come", () => {
  const course = start();
  for (const frame of [epoch(3, 1), epoch(4, 2), epoch(3, 1), epoch(4, 2), epoch(5, 3)]) course.take(frame);
  expect(course.columns).toEqual({ epoch: [1, 2, 3], loss: [1, 1 / 2, 1 / 3] });
  expect([course.seq, course.epoch, course.total]).toEqual([5, 3, 9]);
});

test("of very many epochs half are kept, and all peaks", () => {
  const epochs = Array.from({ length: 100_002 }, (_, i) => i + 1);
  const loss = epochs.map(at => (at === 4567 ? 9 : at === 5001 ? -9 : 1 / at));
  const val_loss = epochs.map(at => (at === 7002 ? 99 : at % 3 ? null : 2));
  const course = new Course({ seq: 100_002, attempt: 1, status: "STARTED", columns: { epoch: epochs, total_epochs: [200_000], loss, val_loss }, epochs: 100_002, validation: null, events: [] });
  course.take(epoch(100_003, 100_003));
  const { columns } = course;
  expect(columns.epoch.length).toBeLessThanOrEqual(50_007);
  expect([columns.loss[columns.epoch.indexOf(4567)], columns.loss[columns.epoch.indexOf(5001)]]).toEqual([9, -9]);
  expect(columns.val_loss[columns.epoch.indexOf(7002)]).toBe(99);
  expect(columns.loss.length).toBe(columns.epoch.length);
  expect(columns.epoch.every((at, i) => i === 0 || at! > columns.epoch[i - 1]!)).toBe(true);
  expect([course.epoch, course.told]).toEqual([100_003, 100_003]);
  course.take({ state: "STARTED", seq: 100_004, attempt: 2, details: { attempt: 2, from_epoch: 50_000 } });
  expect([course.epoch <= 50_000, course.told]).toEqual([true, 50_000]);
});

test("a long run is drawn with some of its epochs, and then with all, also those that came meanwhile", () => {
  const history = (seq: number, epochs: number[], all: number) => ({ seq, attempt: 1, status: "STARTED" as const, columns: { epoch: epochs, loss: epochs.map(at => 1 / at) }, epochs: all, validation: null, events: [] });
  const course = new Course(history(8, [1, 4, 6], 6));
  expect([course.whole, course.told]).toEqual([false, 6]);
  course.take(epoch(9, 7));
  course.take(epoch(10, 8));
  // What was asked for second has one of the two already.
  course.fill(history(9, [1, 2, 3, 4, 5, 6, 7], 7));
  expect(course.columns).toEqual({ epoch: [1, 2, 3, 4, 5, 6, 7, 8], loss: [1, 2, 3, 4, 5, 6, 7, 8].map(at => 1 / at) });
  expect([course.whole, course.told, course.seq, course.epoch]).toEqual([true, 8, 10, 8]);

  // What was asked for second may know more than was heard by then: that is not told twice, nor missed.
  const ahead = new Course(history(8, [1, 4, 6], 6));
  ahead.take(epoch(9, 7));
  ahead.fill({ ...history(13, [1, 2, 3, 4, 5, 6, 7, 8, 9], 9), status: "SUCCESS", attempt: 2 });
  for (const [seq, at] of [[10, 8], [11, 9]]) ahead.take(epoch(seq, at));
  ahead.take({ state: "SUCCESS", seq: 13, attempt: 2, details: {} });
  expect(ahead.columns.epoch).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([ahead.seq, ahead.told, ahead.status, ahead.attempt]).toEqual([13, 9, "SUCCESS", 2]);

  const restarted = new Course(history(8, [1, 4, 6], 6));
  restarted.take({ state: "STARTED", seq: 9, attempt: 2, details: { attempt: 2, from_epoch: 3 } });
  restarted.take({ ...epoch(10, 4, { loss: 9 }), attempt: 2 });
  restarted.fill(history(8, [1, 2, 3, 4, 5, 6], 6));
  expect(restarted.columns).toEqual({ epoch: [1, 2, 3, 4], loss: [1, 1 / 2, 1 / 3, 9] });
  expect([restarted.told, restarted.events.length]).toEqual([4, 1]);
});

test("a new attempt drops what came after its checkpoint", () => {
  const course = start();
  for (let i = 1; i <= 5; i++) course.take(epoch(2 + i, i));
  course.take({ state: "STARTED", seq: 8, attempt: 2, details: { attempt: 2, from_epoch: 3 } });
  expect(course.columns.epoch).toEqual([1, 2, 3]);
  course.take({ ...epoch(9, 4, { loss: 7 }), attempt: 2 });
  expect(course.columns).toEqual({ epoch: [1, 2, 3, 4], loss: [1, 1 / 2, 1 / 3, 7] });
  expect(course.attempt).toBe(2);
});

test("a column that begins late has no values before, and none where it is not told", () => {
  const course = start();
  course.take(epoch(3, 1));
  course.take(epoch(4, 2, { val_loss: 5 }));
  course.take(epoch(5, 3));
  expect(course.columns.val_loss).toEqual([null, 5, null]);
});

test("batches tell where a run is and are no points", () => {
  const course = start();
  course.take({ state: "PROGRESS", attempt: 1, details: { epoch: 1, total_epochs: 9, batch: 3, total_batches: 8, loss: 1 } });
  expect(course.batch?.batch).toBe(3);
  expect(course.columns.epoch).toEqual([]);
  course.take(epoch(3, 1));
  expect(course.batch).toBeUndefined();
});

test("the speed is that of the last epochs, and an end is an end", () => {
  const course = start();
  course.take(epoch(3, 1), 1000);
  course.take(epoch(4, 2), 2000);
  expect(course.rate).toBeUndefined();
  course.take(epoch(5, 3), 3000);
  expect(course.rate).toBe(1);
  course.take({ state: "SUCCESS", seq: 6, attempt: 1, details: {} });
  expect(course.status).toBe("SUCCESS");
  expect(course.events).toHaveLength(1);
});

test("the end of a run that its queue forgot counts, although its log begins anew", () => {
  const course = start();
  for (let i = 1; i <= 5; i++) course.take(epoch(2 + i, i));
  const end: Frame = { state: "FAILURE", seq: 1, attempt: 1, details: { error_code: "RUN_INTERRUPTED" } };
  course.take(end);
  course.take(end);
  expect([course.status, course.epoch, course.events.length]).toEqual(["FAILURE", 5, 1]);
});

test("what was stored while the line was broken comes at once, and tells nothing of the speed", () => {
  const course = start();
  for (let i = 1; i <= 3; i++) course.take(epoch(2 + i, i), 1000 * i);
  expect(course.rate).toBe(1);
  course.resume(61_500);
  for (let i = 4; i <= 60; i++) course.take(epoch(2 + i, i), 61_500 + i);
  expect([course.epoch, course.rate]).toEqual([60, 1]);
  course.take(epoch(63, 61), 63_000);
  course.take(epoch(64, 62), 64_000);
  expect(course.rate).toBe(1);
  course.take(epoch(65, 65), 65_000);
  expect(course.rate).toBe(2);
});

test("a new attempt has a speed of its own, and its average begins where it does", () => {
  const course = start();
  for (let i = 1; i <= 300; i++) course.take(epoch(2 + i, i), 10 * i);
  expect(course.rate).toBeCloseTo(100);
  const time = "2026-03-01T12:00:00Z";
  const since = (seconds: number) => course.average(Date.parse(time) + 1000 * seconds);
  course.take({ state: "STARTED", seq: 400, attempt: 2, time, details: { attempt: 2, from_epoch: 200 } });
  course.take({ ...epoch(401, 201), attempt: 2 }, 10_000);
  expect([course.rate, since(2)]).toEqual([undefined, undefined]);
  for (let i = 202; i <= 210; i++) course.take({ ...epoch(200 + i, i), attempt: 2 }, 10_000 + 2000 * (i - 201));
  expect([course.rate, since(40)]).toEqual([0.5, 0.25]);
});
