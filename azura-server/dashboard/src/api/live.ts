// One stream over all runs: it keeps the lists true and carries the newest progress of each run.

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { put } from "./queries";
import { ended, type Progress, type Run } from "./types";

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

export type Link = { state: "connecting" | "live" | "lost"; since: number };
const connection = store<Link>({ state: "connecting", since: Date.now() });
export const useConnection = () => useSyncExternalStore(connection.watch, connection.get);

/** What has been heard of a run since the page was opened. */
export interface Heard extends Progress {
  /** When, in milliseconds. */
  at: number;
  /** Epochs a second, lately. */
  rate?: number;
  /** The losses that were heard, thinned, with their numbers in the run's log. */
  losses: { seq: number; loss: number }[];
}

const heard = new Map<string, ReturnType<typeof store<Heard | undefined>>>();
function of(task: string) {
  let found = heard.get(task);
  if (!found) heard.set(task, (found = store<Heard | undefined>(undefined)));
  return found;
}

export function useHeard(task: string) {
  const { watch, get } = of(task);
  return useSyncExternalStore(watch, get);
}

const KEPT = 48;
/** All that was heard is shown together, this often: a page that shows twenty runs is drawn no more often than one of one run. */
const SHOWN = 250;
const waiting = new Map<string, Progress>();
let showing: ReturnType<typeof setTimeout> | undefined;

function hear(progress: Progress) {
  waiting.set(progress.task_id, progress);
  showing ??= setTimeout(() => {
    showing = undefined;
    waiting.forEach(progress => note(progress));
    waiting.clear();
  }, SHOWN);
}

export function note(progress: Progress, at = Date.now()) {
  const { get, set } = of(progress.task_id);
  const old = get()?.attempt === progress.attempt ? get() : undefined;
  if (old && old.seq > progress.seq) return;
  const seconds = old && (at - old.at) / 1000;
  const now = old && seconds ? (progress.epoch - old.epoch) / seconds : undefined;
  const rate = old?.rate !== undefined && now !== undefined ? 0.8 * old.rate + 0.2 * now : now;
  let losses = [...(old?.losses ?? []), ...(progress.loss === null ? [] : [{ seq: progress.seq, loss: progress.loss }])];
  if (losses.length > KEPT) losses = losses.filter((_, i) => i % 2 === 1);
  set({ ...progress, at, rate, losses });
}

const PAUSE = { first: 500, most: 10_000 };
const HIDDEN = 10_000;

/** Opens the stream and keeps it open while the page is looked at. Returns how to stop. */
export function listen(client: QueryClient) {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let rest: ReturnType<typeof setTimeout> | undefined;
  let due: ReturnType<typeof setTimeout> | undefined;
  let pause = PAUSE.first;
  const say = (state: Link["state"]) => connection.get().state !== state && connection.set({ state, since: Date.now() });

  /** New runs and changed states alter which runs a filter finds; asked once for a burst of them. */
  const refetch = () => {
    due ??= setTimeout(() => {
      due = undefined;
      void client.invalidateQueries({ queryKey: ["runs"] }, { cancelRefetch: false });
    }, 400);
  };

  function open() {
    clearTimeout(again);
    source?.close();
    source = new EventSource("/api/v1/events");
    const on = <T,>(name: string, take: (data: T) => void) =>
      source!.addEventListener(name, event => take(JSON.parse((event as MessageEvent<string>).data)));
    on("hello", () => {
      // Nothing is replayed: whatever was missed is in the lists.
      pause = PAUSE.first;
      say("live");
      void client.invalidateQueries({ queryKey: ["runs"] });
      void client.invalidateQueries({ queryKey: ["run"] });
    });
    on<Progress>("progress", hear);
    on<Run>("experiment", run => {
      if (ended(run.status)) {
        waiting.delete(run.task_id);
        heard.get(run.task_id)?.set(undefined);
      }
      put(client, run);
      refetch();
    });
    on<{ experiment_id: string | null; task_id: string }>("deleted", ({ experiment_id, task_id }) => {
      heard.delete(task_id);
      for (const id of [experiment_id, task_id]) void client.resetQueries({ queryKey: ["run", id] });
      refetch();
    });
    source.onerror = () => {
      say("lost");
      // The browser tries again by itself only after some errors; here it is always we who do.
      source?.close();
      again = setTimeout(open, pause);
      pause = Math.min(2 * pause, PAUSE.most);
    };
  }

  // A page that nobody looks at gives its connection back: browsers allow six to a host.
  function look() {
    clearTimeout(rest);
    if (document.hidden) {
      rest = setTimeout(() => {
        clearTimeout(again);
        source?.close();
        source = undefined;
      }, HIDDEN);
    } else if (!source || source.readyState === EventSource.CLOSED) open();
  }

  open();
  document.addEventListener("visibilitychange", look);
  addEventListener("online", open);
  return () => {
    document.removeEventListener("visibilitychange", look);
    removeEventListener("online", open);
    for (const timer of [again, rest, due]) clearTimeout(timer);
    source?.close();
  };
}
