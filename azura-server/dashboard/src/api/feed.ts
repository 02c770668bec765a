// One run as its log tells it: what is stored, then every frame, each once, however often the connection breaks.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { backoff } from "./backoff";
import { ApiError } from "./client";
import { DRAWN, history } from "./queries";
import { average, marked, speed, type Mark } from "./speed";
import { ended, type Column, type Frame, type History, type Validation } from "./types";

/** What comes this soon after a line was made, or a page was woken, in milliseconds, was stored before: it tells nothing of the speed. */
const REPLAY = 1000;
/** A page that is left open for days keeps no more epochs than these. */
const MOST = 100_000;
/** Redrawing more often than this nobody sees. */
const REDRAW = 250;

export interface Batch {
  epoch: number;
  batch: number;
  total_batches: number;
}

/** What is known of a run, grown frame by frame. */
export class Course {
  seq: number;
  attempt: number;
  status: string;
  columns: Record<string, Column>;
  validation: Validation | null;
  events: Frame[];
  total = 0;
  /** How many epochs were told, some of which are no longer kept. */
  told: number;
  batch?: Batch;
  /** What was heard since only some of the epochs are here; undefined if all are. */
  private heard?: Frame[];
  private marks: Mark[] = [];
  /** The speed before the line broke. */
  private before?: number;
  private unbroken = 0;

  constructor({ seq, attempt, status, columns, epochs, validation, events }: History) {
    this.seq = seq;
    this.attempt = attempt;
    this.status = status;
    this.validation = validation;
    const { total_epochs, ...rest } = columns;
    this.total = total_epochs?.at(-1) ?? 0;
    this.columns = { epoch: [], ...rest };
    this.events = [...events];
    this.told = epochs;
    if (epochs > this.columns.epoch.length) this.heard = [];
  }

  /** Whether all epochs are here. */
  get whole() {
    return !this.heard;
  }

  /** Puts all epochs in the place of some. The history may know more than was heard, or less. */
  fill(history: History) {
    const whole = new Course(history);
    for (const frame of this.heard ?? []) whole.take(frame);
    const { seq, attempt, status, columns, validation, events, total, told } = whole;
    Object.assign(this, { seq, attempt, status, columns, validation, events, total, told, heard: undefined });
  }

  /** Epochs that are done. */
  get epoch() {
    return this.columns.epoch.at(-1) ?? 0;
  }

  /** Epochs a second, lately; as long as that is not known, undefined. */
  get rate() {
    return speed(this.marks) ?? this.before;
  }

  /** Epochs a second since this attempt began. */
  average(now: number) {
    const begun = this.events.findLast(({ state }) => state === "STARTED");
    return begun?.time ? average(this.epoch - Number(begun.details.from_epoch ?? 0), (now - Date.parse(begun.time)) / 1000) : undefined;
  }

  /** What comes now is not in a row with what was heard before. */
  resume(now = performance.now()) {
    this.before = this.rate;
    this.marks = [];
    this.unbroken = now + REPLAY;
  }

  take(frame: Frame, now = performance.now()) {
    const { state, seq, details } = frame;
    if (seq !== undefined) {
      // A run that its queue forgot has a new log, of its end alone: that counts whatever its number.
      if (seq <= this.seq && (!ended(state) || ended(this.status))) return;
      this.seq = seq;
      this.heard?.push(frame);
    }
    this.attempt = Math.max(this.attempt, frame.attempt);
    if (state !== "PROGRESS") {
      // What is heard live happens now.
      this.events.push({ ...frame, time: frame.time ?? new Date().toISOString() });
      this.status = state;
      this.batch = undefined;
      // What came after the checkpoint that a new attempt starts from is done anew.
      if (state === "STARTED") this.keep(Number(details.from_epoch ?? 0));
      return;
    }
    if (typeof details.total_epochs === "number") this.total = details.total_epochs;
    if ("batch" in details) {
      this.batch = details as unknown as Batch;
      return;
    }
    this.status = "STARTED";
    this.batch = undefined;
    this.validation = details.validation_data ?? this.validation;
    this.add(details);
    if (now >= this.unbroken) this.marks = marked(this.marks, { epoch: this.epoch, at: now });
  }

  private add(details: Frame["details"]) {
    const { columns } = this;
    const length = columns.epoch.length;
    for (const [name, value] of Object.entries(details)) {
      if (name !== "total_epochs" && (typeof value === "number" || name in columns)) {
        columns[name] ??= new Array(length).fill(null);
      }
    }
    for (const [name, column] of Object.entries(columns)) {
      const value = details[name];
      column.push(typeof value === "number" ? value : null);
    }
    this.told++;
    if (columns.epoch.length > MOST) this.thin();
  }

  /** Of each eight epochs four stay at most: those of the least and the greatest losses, so that the curves of both keep their peaks. */
  private thin() {
    const { epoch, loss = epoch, val_loss = loss } = this.columns;
    const [kept, last]: [number[], number] = [[], epoch.length - 1];
    for (let i = 0; i < last; i += 8) {
      const eight = Array.from({ length: Math.min(8, last - i) }, (_, k) => i + k);
      const ends = [loss, val_loss].flatMap(column => {
        const told = eight.filter(at => column[at] !== null).sort((a, b) => column[a]! - column[b]!);
        return told.length ? [told[0], told.at(-1)!] : [];
      });
      kept.push(...[...new Set(ends)].sort((a, b) => a - b));
    }
    kept.push(last);
    for (const name in this.columns) this.columns[name] = kept.map(i => this.columns[name][i]);
  }

  private keep(epoch: number) {
    const first = this.columns.epoch.findIndex(at => at! > epoch);
    if (first >= 0) {
      this.told = Math.min(this.told, epoch);
      for (const name in this.columns) this.columns[name] = this.columns[name].slice(0, first);
    }
    this.marks = [];
    this.before = undefined;
  }
}

export type Line = "connecting" | "live" | "lost" | "closed";
export interface Feed {
  course?: Course;
  error?: ApiError;
  line: Line;
  /** Changes with everything that was heard. */
  version: number;
}

const UNKNOWN = 4404;

/** Follows a run, named by either of its ids, from its first epoch on, live while it trains. */
export function useFeed(id: string): Feed {
  const client = useQueryClient();
  const [version, redraw] = useState(0);
  const state = useRef<{ id?: string; course?: Course; error?: ApiError; line: Line }>({ line: "connecting" });

  useEffect(() => {
    const now: typeof state.current = { id, line: "connecting" };
    state.current = now;
    let socket: WebSocket | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawn: ReturnType<typeof setTimeout> | undefined;
    let filling: ReturnType<typeof setTimeout> | undefined;
    const pauses = backoff(250, 8000);
    let stopped = false;

    const draw = (soon = true) => {
      if (!soon) {
        clearTimeout(drawn);
        drawn = undefined;
        if (!stopped) redraw(n => n + 1);
      } else
        drawn ??= setTimeout(() => {
          drawn = undefined;
          redraw(n => n + 1);
        }, REDRAW);
    };
    const retry = (what: () => void) => {
      if (stopped) return;
      now.line = "lost";
      draw(false);
      timer = setTimeout(what, pauses.next());
    };

    async function load() {
      try {
        now.course = new Course(await client.fetchQuery({ ...history(id, DRAWN), staleTime: 0, gcTime: 0, retry: false }));
      } catch (error) {
        if (stopped) return;
        now.error = error as ApiError;
        if (now.error.status === 404) return draw(false);
        return retry(load);
      }
      now.error = undefined;
      if (ended(now.course.status)) now.line = "closed";
      else connect();
      draw(false);
      if (!now.course.whole) fill(now.course);
    }

    /** Gets what was left out at first, once that is drawn. */
    function fill(course: Course) {
      const later = backoff(250, 8000);
      filling = setTimeout(async function all() {
        try {
          course.fill(await client.fetchQuery({ ...history(id), staleTime: 0, gcTime: 0, retry: false }));
          if (ended(course.status)) now.line = "closed";
          if (!stopped) draw(false);
        } catch (error) {
          if (!stopped && (error as ApiError).status !== 404) filling = setTimeout(all, later.next());
        }
      }, REDRAW);
    }

    function connect() {
      if (stopped) return;
      const url = new URL(`/ws/task_status/${encodeURIComponent(id)}?level=batch&after=${now.course!.seq}`, location.href);
      url.protocol = url.protocol.replace("http", "ws");
      socket = new WebSocket(url);
      socket.onopen = () => {
        now.line = "live";
        now.course!.resume();
        pauses.up();
        draw(false);
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data as string) as Frame;
        if (frame.state === "RESYNC") return;
        now.course!.take(frame);
        const last = ended(frame.state);
        if (last) now.line = "closed";
        draw(!last && frame.state === "PROGRESS");
      };
      socket.onclose = ({ code }) => {
        if (stopped || now.line === "closed") return;
        if (code === UNKNOWN) {
          now.error = new ApiError("", 404);
          return draw(false);
        }
        retry(connect);
      };
    }

    const woken = () => document.hidden || now.course?.resume();
    document.addEventListener("visibilitychange", woken);
    void load();
    return () => {
      stopped = true;
      document.removeEventListener("visibilitychange", woken);
      clearTimeout(timer);
      clearTimeout(drawn);
      clearTimeout(filling);
      socket?.close();
    };
  }, [id, client]);

  const { course, error, line } = state.current.id === id ? state.current : { course: undefined, error: undefined, line: "connecting" as const };
  // The course is one object that grows; who is to see it anew gets a new record.
  return useMemo(() => ({ course, error, line, version }), [course, error, line, version]);
}
