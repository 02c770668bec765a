// The stream over all runs: opened, lost and opened again. It knows of no page.

import { backoff } from "./backoff";
import type { Progress, Run } from "./types";

export type Link = { state: "connecting" | "live" | "lost"; since: number };

/** What the server tells, and, as long as that is known, how the line to it is. */
export type Told =
  | { name: "link"; data?: Link }
  | { name: "hello" }
  | { name: "progress"; data: Progress }
  | { name: "experiment"; data: Run }
  | { name: "deleted"; data: { experiment_id: string | null; task_id: string } };

const EVENTS = ["hello", "progress", "experiment", "deleted"] as const;
/** The server says every 15 s that it is there. A line on which nothing comes for so long is dead, whatever the browser thinks. */
const DEAD = 45_000;

export function stream(tell: (told: Told) => void) {
  const pauses = backoff(500, 10_000);
  let link: Link | undefined;
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let dead: ReturnType<typeof setTimeout> | undefined;

  function say(state: Link["state"]) {
    if (link?.state === state) return;
    link = { state, since: Date.now() };
    tell({ name: "link", data: link });
  }
  function close() {
    clearTimeout(again);
    clearTimeout(dead);
    source?.close();
    source = undefined;
  }
  function lose() {
    // The browser tries again by itself only after some errors; here it is always we who do.
    close();
    say("lost");
    again = setTimeout(open, pauses.next());
  }
  function listen() {
    clearTimeout(dead);
    dead = setTimeout(lose, DEAD);
  }
  function open() {
    close();
    source = new EventSource("/api/v1/events");
    listen();
    source.addEventListener("alive", listen);
    for (const name of EVENTS)
      source.addEventListener(name, ({ data }: MessageEvent<string>) => {
        listen();
        if (name === "hello") {
          pauses.up();
          say("live");
        }
        tell({ name, data: JSON.parse(data) } as Told);
      });
    source.onerror = lose;
  }

  return {
    link: () => link,
    /** Opens it, at once even if it is waited for. */
    open: () => source ?? open(),
    /** Opens it anew, unless that is being done. */
    renew: () => source?.readyState === EventSource.CONNECTING || open(),
    close() {
      close();
      link = undefined;
    },
  };
}
