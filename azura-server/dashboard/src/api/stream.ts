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

export function stream(tell: (told: Told) => void) {
  const pauses = backoff(500, 10_000);
  let link: Link | undefined;
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;

  function say(state: Link["state"]) {
    if (link?.state === state) return;
    link = { state, since: Date.now() };
    tell({ name: "link", data: link });
  }
  function close() {
    clearTimeout(again);
    source?.close();
    source = undefined;
  }
  function open() {
    close();
    source = new EventSource("/api/v1/events");
    for (const name of EVENTS)
      source.addEventListener(name, ({ data }: MessageEvent<string>) => {
        if (name === "hello") {
          pauses.up();
          say("live");
        }
        tell({ name, data: JSON.parse(data) } as Told);
      });
    source.onerror = () => {
      // The browser tries again by itself only after some errors; here it is always we who do.
      close();
      say("lost");
      again = setTimeout(open, pauses.next());
    };
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
