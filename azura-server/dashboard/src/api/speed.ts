// How fast a run goes: from the epochs of one attempt that were heard lately, in a row.

export interface Mark {
  epoch: number;
  /** When it was heard, in milliseconds. */
  at: number;
}

/** How many marks are kept: the more, the smoother. */
const LATELY = 20;
/** Epochs that take less than this share a mark, so that quick ones are looked at over seconds too. */
const STEP = 500;
/** From fewer marks than this, or within less time, one slow epoch would be told as the speed of all. */
const FEW = 3;
const SPAN = 2000;
/** The same of an average that has the reading of the data in it. */
const MANY = 10;

export function marked(marks: Mark[], mark: Mark): Mark[] {
  const last = marks.at(-1);
  return last && mark.at - last.at < STEP ? marks : [...marks.slice(1 - LATELY), mark];
}

/** Epochs a second; as long as too few were heard, undefined. */
export function speed(marks: Mark[]) {
  if (marks.length < FEW) return undefined;
  const [first, last] = [marks[0], marks.at(-1)!];
  return last.at - first.at < SPAN ? undefined : (1000 * (last.epoch - first.epoch)) / (last.at - first.at);
}

/** Epochs a second since an attempt began: for a page that has only just begun to hear of it. */
export const average = (epochs: number, seconds: number) => (epochs >= MANY && seconds > 0 ? epochs / seconds : undefined);
