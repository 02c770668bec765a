// One stream over all runs: it keeps the lists true and carries the newest progress of each run.

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { follow } from "./follow";
import { put } from "./queries";
import { marked, speed, type Mark } from "./speed";
import type { Link } from "./stream";
import { ended, type Progress } from "./types";

/** A value that components can watch. */
export function store<T>(value: T) {
  const watchers = new Set<() => void>();
  const watch = (watcher: () => void) => {
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  };
  return {
    get: () => value,
    set: (next: T) => {
      if (Object.is(next, value)) return;
      value = next;
      watchers.forEach(watcher => watcher());
    },
    watch,
  };
}

const connection = store<Link>({ state: "connecting", since: Date.now() });
export const useConnection = () => useSyncExternalStore(connection.watch, connection.get);

function say(link: Link) {
  const { state, since } = connection.get();
  if (link.state !== state || link.since !== since) connection.set(link);
}

/** What has been heard of a run since the page was opened. */
export interface Heard extends Progress {
  /** When, in milliseconds. */
  at: number;
  /** Epochs a second, lately; as long as that is not known, undefined. */
  rate?: number;
  /** What the rate is taken from. */
  marks: Mark[];
  /** The losses that were heard, thinned, with their numbers in the run's log. */
  losses: { seq: number; loss: number }[];
}

/** Of runs that train; a run that ended is forgotten. */
const heard = store<ReadonlyMap<string, Heard>>(new Map());
export const heardOf = (task: string) => heard.get().get(task);
export const useHeard = (task: string) => useSyncExternalStore(heard.watch, () => heard.get().get(task));

const KEPT = 48;
/** All that was heard is shown together, this often: a page that shows twenty runs is drawn no more often than one of one run. */
const SHOWN = 250;
/** What was heard and is not shown yet, and when it was heard. */
const waiting = new Map<string, Progress & { at: number }>();
let showing: ReturnType<typeof setTimeout> | undefined;
/** Since when nothing was missed. */
let unbroken = 0;

function hear(progress: Progress) {
  waiting.set(progress.task_id, { ...progress, at: Date.now() });
  showing ??= setTimeout(() => {
    showing = undefined;
    const all = new Map(heard.get());
    waiting.forEach((progress, task) => all.set(task, add(all.get(task), progress)));
    waiting.clear();
    heard.set(all);
  }, SHOWN);
}

function add(before: Heard | undefined, progress: Progress & { at: number }): Heard {
  const old = before?.attempt === progress.attempt ? before : undefined;
  if (old && old.seq >= progress.seq) return old;
  let losses = [...(old?.losses ?? []), ...(progress.loss === null ? [] : [{ seq: progress.seq, loss: progress.loss }])];
  if (losses.length > KEPT) losses = losses.filter((_, i) => i % 2 === 1);
  // How long the epochs took that were missed, nobody knows.
  const marks = marked(old && old.at >= unbroken ? old.marks : [], progress);
  return { ...progress, rate: speed(marks) ?? old?.rate, marks, losses };
}

function forget(task: string) {
  waiting.delete(task);
  if (!heard.get().has(task)) return;
  const others = new Map(heard.get());
  others.delete(task);
  heard.set(others);
}

/** The line was broken. A run that was not heard since it was broken before may have ended unheard. */
function resume() {
  heard.set(new Map([...heard.get()].filter(([, { at }]) => at >= unbroken)));
  unbroken = Date.now();
}

/** Keeps the lists true while the page is looked at. Returns how to stop. */
export function listen(client: QueryClient) {
  let due: ReturnType<typeof setTimeout> | undefined;
  /** New runs and changed states alter which runs a filter finds; asked once for a burst of them. */
  const refetch = () => {
    due ??= setTimeout(() => {
      due = undefined;
      void client.invalidateQueries({ queryKey: ["runs"] }, { cancelRefetch: false });
    }, 400);
  };

  const stop = follow(told => {
    switch (told.name) {
      case "link":
        if (told.data) say(told.data);
        break;
      case "hello":
        // Nothing is replayed: whatever was missed is in the lists.
        resume();
        void client.invalidateQueries({ queryKey: ["runs"] });
        void client.invalidateQueries({ queryKey: ["run"] });
        break;
      case "progress":
        hear(told.data);
        break;
      case "experiment":
        if (ended(told.data.status)) forget(told.data.task_id);
        put(client, told.data);
        refetch();
        break;
      case "deleted": {
        const { experiment_id, task_id } = told.data;
        forget(task_id);
        for (const id of [experiment_id, task_id]) {
          void client.resetQueries({ queryKey: ["run", id] });
          client.removeQueries({ queryKey: ["forecast", id] });
        }
        refetch();
      }
    }
  });
  return () => {
    stop();
    clearTimeout(due);
  };
}
