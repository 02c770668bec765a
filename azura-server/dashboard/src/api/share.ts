// One stream for many pages: browsers allow six connections to a host, and each stream would hold one of them.

import { stream, type Told } from "./stream";

/** What a page says: that it looks on, that its network is another one, that it looks on no more. */
export type Said = "here" | "online" | "leave";

/** How often a page says that it is here, in milliseconds. It is answered, so that it knows the same of the other end. */
export const BEAT = 10_000;
/** For how many beats a page may be silent. */
const SILENCE = 3;

/** Returns how a page is let in, by its port. The stream is open as long as any page looks on. */
export function share() {
  /** Who looks on, and for how many beats nothing was heard of them. */
  const pages = new Map<MessagePort, number>();
  const line = stream(told => pages.forEach((_, port) => port.postMessage(told)));
  let beat: ReturnType<typeof setInterval> | undefined;

  function here(port: MessagePort) {
    const known = pages.has(port);
    pages.set(port, 0);
    const link = line.link();
    const tell = (told: Told) => port.postMessage(told);
    tell({ name: "link", data: link });
    if (known) return;
    // Whatever was told before, this page has missed.
    if (link?.state === "live") tell({ name: "hello" });
    line.open();
    beat ??= setInterval(sweep, BEAT);
  }
  function leave(port: MessagePort) {
    pages.delete(port);
    if (pages.size > 0) return;
    line.close();
    clearInterval(beat);
    beat = undefined;
  }
  /** A page that crashed says no word. */
  function sweep() {
    for (const [port, silent] of pages) {
      if (silent < SILENCE) pages.set(port, silent + 1);
      else leave(port);
    }
  }

  return (port: MessagePort) => {
    port.onmessage = ({ data }: MessageEvent<Said>) => {
      if (data === "leave") return leave(port);
      here(port);
      if (data === "online") line.renew();
    };
  };
}
