// A page's end of the stream that all pages of a browser share.

import { BEAT, share, type Said } from "./share";
import type { Told } from "./stream";

/** For how long a page that nobody looks at goes on listening, in milliseconds. */
const HIDDEN = 10_000;

/** Follows the stream while the page is looked at. Whoever comes late or back gets a `hello`. Returns how to stop. */
export function follow(take: (told: Told) => void) {
  let port: MessagePort | undefined;
  let beat: ReturnType<typeof setInterval> | undefined;
  let rest: ReturnType<typeof setTimeout> | undefined;
  let silent = 0;
  const say = (said: Said) => port?.postMessage(said);

  function use(next: MessagePort) {
    say("leave");
    port?.close();
    port = next;
    port.onmessage = ({ data }: MessageEvent<Told>) => {
      silent = 0;
      take(data);
    };
    silent = 0;
    if (beat) say("here");
  }
  function alone() {
    const { port1, port2 } = new MessageChannel();
    share()(port1);
    use(port2);
  }
  function attach() {
    try {
      const worker = new SharedWorker(new URL("./stream.worker.ts", import.meta.url), { type: "module", name: "azura-events" });
      worker.onerror = alone;
      use(worker.port);
    } catch {
      // There is none, as in Chrome on Android, or none is allowed: each page has a stream of its own.
      alone();
    }
  }

  function join() {
    if (beat) return;
    beat = setInterval(() => {
      // An answer takes no time: a worker that gave none to the last beat died, and is made anew.
      if (silent++ < 1) say("here");
      else attach();
    }, BEAT);
    if (port) say("here");
    else attach();
  }
  function leave() {
    clearTimeout(rest);
    clearInterval(beat);
    beat = undefined;
    silent = 0;
    say("leave");
  }
  function look() {
    clearTimeout(rest);
    if (document.hidden) rest = setTimeout(leave, HIDDEN);
    else join();
  }
  const online = () => document.hidden || say("online");

  look();
  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", look);
  addEventListener("pagehide", leave);
  addEventListener("online", online);
  return () => {
    document.removeEventListener("visibilitychange", look);
    removeEventListener("pageshow", look);
    removeEventListener("pagehide", leave);
    removeEventListener("online", online);
    leave();
    port?.close();
  };
}
