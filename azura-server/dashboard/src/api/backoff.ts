// How long to wait before a line is tried again.

/** A line that broke sooner did not hold: a server that accepts and closes at once is not asked without rest. */
const HELD = 5000;

/** Pauses in milliseconds, each twice the one before, up to the longest; from the first again once the line has held. */
export function backoff(first: number, most: number) {
  let pause = first;
  let since: number | undefined;
  return {
    up() {
      since ??= Date.now();
    },
    /** The line broke: how long to wait. */
    next() {
      if (since !== undefined && Date.now() - since >= HELD) pause = first;
      since = undefined;
      const wait = pause;
      pause = Math.min(2 * pause, most);
      return wait;
    },
  };
}
