import { QueryClient } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Heard } from "./live";
import { share, type Said } from "./share";
import type { Told } from "./stream";
import type { Progress } from "./types";

/** The server's end of every stream that was ever opened. */
let sources: Source[] = [];
class Source extends EventTarget {
  static CONNECTING = 0;
  readyState = 0;
  onerror?: () => void;
  constructor(readonly url: string) {
    super();
    sources.push(this);
  }
  close() {
    this.readyState = 2;
  }
  tell(name: string, data: object = {}) {
    this.readyState = 1;
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}
const open = () => sources.filter(({ readyState }) => readyState < 2);
const last = () => sources.at(-1)!;

/** Two ports that are each other's far end, without delay. */
class Port {
  far?: Port;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  said: unknown[] = [];
  postMessage(data: unknown) {
    this.said.push(data);
    this.far?.onmessage?.({ data: structuredClone(data) });
  }
  close() {
    this.far = undefined;
  }
}
function pair() {
  const [port1, port2] = [new Port(), new Port()];
  [port1.far, port2.far] = [port2, port1];
  return { port1, port2 };
}

/** The worker of all pages; a page that is a port. */
let join: (port: Port) => void;
function visit() {
  const { port1, port2 } = pair();
  join(port1);
  const heard: Told[] = [];
  port2.onmessage = ({ data }) => void heard.push(data as Told);
  return { heard, names: () => heard.map(({ name }) => name), say: (said: Said) => port2.postMessage(said) };
}
let workers = 0;
class Worker {
  port: Port;
  constructor() {
    workers++;
    const { port1, port2 } = pair();
    join(port1);
    this.port = port2;
  }
}

let hidden = false;
function hide(value: boolean) {
  hidden = value;
  document.dispatchEvent(new Event("visibilitychange"));
}

let live: typeof import("./live");
let client: QueryClient;
let asked: unknown[];
let stop: (() => void) | undefined;
const listen = () => (stop = live.listen(client));
/** The keys that were asked for anew since this was called last. */
const refetched = () => asked.splice(0);
const connection = () => renderHook(() => live.useConnection()).result.current.state;
const heardOf = (task: string): Heard | undefined => renderHook(() => live.useHeard(task)).result.current;
const wait = (ms: number) => act(() => vi.advanceTimersByTime(ms));
const progress = (epoch: number, more: Partial<Progress> = {}): Progress => ({ experiment_id: "e", task_id: "t", attempt: 1, seq: epoch + 2, epoch, total_epochs: 99, loss: 1 / epoch, ...more });

beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("SharedWorker", Worker);
  vi.stubGlobal("MessageChannel", class {
    constructor() {
      return pair();
    }
  });
  vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
  sources = [];
  workers = 0;
  hidden = false;
  join = share() as unknown as typeof join;
  live = await import("./live");
  client = new QueryClient();
  asked = [];
  vi.spyOn(client, "invalidateQueries").mockImplementation(async filters => void asked.push(filters!.queryKey![0]));
  vi.spyOn(client, "resetQueries").mockImplementation(async filters => void asked.push(filters!.queryKey!.join(" ")));
});
afterEach(() => {
  stop?.();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a hello says that the line is live, and everything is asked for anew", () => {
  listen();
  expect([last().url, connection(), refetched()]).toEqual(["/api/v1/events", "connecting", []]);
  last().tell("hello");
  expect([connection(), refetched()]).toEqual(["live", ["runs", "run"]]);
});

test("what is heard is shown together, four times a second", () => {
  listen();
  last().tell("hello");
  let drawn = 0;
  const { result } = renderHook(() => (drawn++, live.useHeard("t")?.epoch));
  for (let epoch = 1; epoch <= 24; epoch++) {
    last().tell("progress", progress(epoch));
    wait(10);
  }
  expect(result.current).toBeUndefined();
  wait(10);
  expect([result.current, drawn]).toEqual([24, 2]);
});

test("the rate is that of the epochs that were heard in a row", () => {
  listen();
  last().tell("hello");
  // Four epochs a second.
  for (const epoch of [2, 4, 6, 8]) {
    last().tell("progress", progress(epoch));
    wait(500);
  }
  expect(heardOf("t")?.rate).toBeUndefined();
  last().tell("progress", progress(10));
  wait(250);
  expect(heardOf("t")?.rate).toBe(4);
  // The line breaks; meanwhile, a hundred epochs are done in ten seconds. That they took a moment is as wrong as that they took ten.
  last().onerror!();
  wait(10_000);
  last().tell("hello");
  last().tell("progress", progress(104));
  wait(250);
  expect(heardOf("t")).toMatchObject({ epoch: 104, rate: 4 });
  // Ten a second from here on.
  wait(250);
  for (const epoch of [109, 114, 119, 124]) {
    last().tell("progress", progress(epoch));
    wait(500);
  }
  expect(heardOf("t")?.rate).toBe(10);
});

test("a new attempt begins anew, and what comes late or twice is nothing new", () => {
  listen();
  last().tell("hello");
  for (const [epoch, attempt] of [[5, 1], [5, 1], [4, 1]]) {
    last().tell("progress", progress(epoch, { attempt }));
    wait(250);
  }
  expect(heardOf("t")).toMatchObject({ epoch: 5, losses: [{ seq: 7, loss: 1 / 5 }] });
  last().tell("progress", progress(2, { attempt: 2, seq: 9 }));
  wait(250);
  expect(heardOf("t")).toMatchObject({ epoch: 2, rate: undefined, losses: [{ seq: 9, loss: 1 / 2 }] });
});

test("a run that ends is forgotten, also what of it was not shown yet, and the lists are asked for once", () => {
  listen();
  last().tell("hello");
  for (const task_id of ["t", "u"]) last().tell("progress", progress(1, { task_id }));
  wait(250);
  last().tell("progress", progress(2));
  refetched();
  for (const task_id of ["t", "x", "y"]) last().tell("experiment", { task_id, experiment_id: `e${task_id}`, status: "SUCCESS" });
  wait(400);
  expect([heardOf("t"), heardOf("u")?.epoch, refetched()]).toEqual([undefined, 1, ["runs"]]);
});

test("a deleted run is forgotten, and its page finds nothing", () => {
  listen();
  last().tell("hello");
  last().tell("progress", progress(1));
  wait(250);
  last().tell("progress", progress(2));
  refetched();
  last().tell("deleted", { experiment_id: "e", task_id: "t" });
  wait(400);
  expect([heardOf("t"), refetched()]).toEqual([undefined, ["run e", "run t", "runs"]]);
});

test("runs that ended while nobody heard it are forgotten", () => {
  listen();
  last().tell("hello");
  last().tell("progress", progress(1));
  last().tell("progress", progress(1, { task_id: "u" }));
  wait(1000);
  last().tell("hello");
  // They may go on; one does.
  expect([heardOf("t")?.epoch, heardOf("u")?.epoch]).toEqual([1, 1]);
  wait(1000);
  last().tell("progress", progress(2));
  wait(1000);
  last().tell("hello");
  expect([heardOf("t")?.epoch, heardOf("u")]).toEqual([2, undefined]);
});

test("a lost line is tried again after longer and longer, until it has held", () => {
  listen();
  last().tell("hello");
  wait(5000);
  /** How long it takes after a loss until the line is made anew. */
  const pause = () => {
    const before = sources.length;
    last().onerror!();
    expect([connection(), open()]).toEqual(["lost", []]);
    let waited = 0;
    for (; sources.length === before; waited += 100) wait(100);
    return waited;
  };
  expect([pause(), pause(), pause()]).toEqual([500, 1000, 2000]);
  // A server that says hello and leaves is not asked without rest.
  const brief = () => {
    last().tell("hello");
    wait(4900);
    return pause();
  };
  expect([brief(), brief(), brief(), brief()]).toEqual([4000, 8000, 10_000, 10_000]);
  last().tell("hello");
  wait(5000);
  expect([pause(), pause()]).toEqual([500, 1000]);
});

test("a line on which nothing comes is lost, whatever the browser thinks", () => {
  listen();
  last().tell("hello");
  for (let i = 0; i < 4; i++) {
    wait(40_000);
    last().tell("alive");
  }
  expect([sources.length, connection()]).toEqual([1, "live"]);
  wait(44_000);
  expect(connection()).toBe("live");
  wait(1000);
  expect([connection(), open()]).toEqual(["lost", []]);
  // One that cannot be made is given up as well.
  wait(1000);
  expect([sources.length, open().length]).toEqual([2, 1]);
  wait(45_000 + 1000);
  expect(sources.length).toBe(3);
});

test("a page that is hidden leaves after ten seconds, and comes back to what it has missed", () => {
  listen();
  last().tell("hello");
  hide(true);
  wait(9900);
  hide(false);
  wait(9900);
  expect(open()).toHaveLength(1);
  refetched();
  hide(true);
  wait(10_000);
  expect(open()).toEqual([]);
  wait(60_000);
  hide(false);
  expect([open().length, sources.length, connection()]).toEqual([1, 2, "live"]);
  last().tell("hello");
  expect(refetched()).toEqual(["runs", "run"]);
});

test("a network that comes back is used at once, but not by a page that is hidden", () => {
  listen();
  last().tell("hello");
  last().onerror!();
  dispatchEvent(new Event("online"));
  dispatchEvent(new Event("online"));
  expect([open().length, sources.length]).toEqual([1, 2]);
  // What looks live may lead nowhere since.
  last().tell("hello");
  dispatchEvent(new Event("online"));
  expect([open().length, sources.length]).toEqual([1, 3]);
  hide(true);
  wait(10_000);
  dispatchEvent(new Event("online"));
  expect([open().length, sources.length]).toEqual([0, 3]);
});

test("a page that was left says so, and one that is come back to listens again", () => {
  listen();
  dispatchEvent(new Event("pagehide"));
  expect(open()).toEqual([]);
  dispatchEvent(new Event("pageshow"));
  expect(open()).toHaveLength(1);
});

test("a page that is opened hidden does not listen before it is looked at", () => {
  hidden = true;
  listen();
  wait(20_000);
  expect(sources).toEqual([]);
  hide(false);
  expect(open()).toHaveLength(1);
});

test.each([
  ["there is no such worker", undefined],
  ["none is allowed", class { constructor() { throw new DOMException("", "SecurityError"); } }],
  ["it cannot be loaded", class { port = new Port(); constructor() { setTimeout(() => (this as unknown as { onerror(): void }).onerror()); } }],
])("a page has a stream of its own where %s", (_, worker) => {
  vi.stubGlobal("SharedWorker", worker);
  if (!worker) delete (globalThis as { SharedWorker?: unknown }).SharedWorker;
  listen();
  wait(1);
  last().tell("hello");
  expect([connection(), refetched(), open().length]).toEqual(["live", ["runs", "run"], 1]);
  dispatchEvent(new Event("pagehide"));
  expect(open()).toEqual([]);
});

test("a worker that died is made anew", () => {
  listen();
  last().tell("hello");
  wait(60_000);
  expect(workers).toBe(1);
  const dead = vi.spyOn(Port.prototype, "postMessage").mockImplementation(() => {});
  wait(10_000);
  dead.mockRestore();
  join = share() as unknown as typeof join;
  wait(10_000);
  refetched();
  last().tell("hello");
  expect([workers, connection(), refetched()]).toEqual([2, "live", ["runs", "run"]]);
});

test("two pages share a stream, which outlives the one that leaves, but not both", () => {
  const [one, two] = [visit(), visit()];
  one.say("here");
  last().tell("hello");
  expect(one.names()).toEqual(["link", "link", "hello"]);
  two.say("here");
  // Whoever joins knows at once how the line is, and that it has missed all before.
  expect([sources.length, two.heard]).toEqual([1, [{ name: "link", data: { state: "live", since: Date.now() } }, { name: "hello" }]]);
  last().tell("progress", progress(1));
  expect([one.heard.at(-1), two.heard.at(-1)]).toEqual(Array(2).fill({ name: "progress", data: progress(1) }));

  one.say("leave");
  const before = one.heard.length;
  last().tell("progress", progress(2));
  expect([one.heard.length, open().length]).toEqual([before, 1]);
  expect(two.heard.at(-1)).toEqual({ name: "progress", data: progress(2) });
  two.say("leave");
  expect([open(), vi.getTimerCount()]).toEqual([[], 0]);
  one.say("here");
  expect([open().length, sources.length]).toEqual([1, 2]);
});

test("a page that crashed does not keep the stream open", () => {
  const [one, two] = [visit(), visit()];
  one.say("here");
  two.say("here");
  last().tell("hello");
  for (let i = 0; i < 6; i++) {
    wait(10_000);
    two.say("here");
  }
  const before = one.heard.length;
  last().tell("progress", progress(1));
  expect([one.heard.length, open().length]).toEqual([before, 1]);
  wait(40_000);
  expect(open()).toEqual([]);
  // It was slow, not dead: nobody has told it what it missed.
  two.heard.length = 0;
  two.say("here");
  last().tell("hello");
  expect(two.names()).toEqual(["link", "link", "hello"]);
});

test("a page that joins while the line is lost knows it, and has it tried at once", () => {
  const [one, two] = [visit(), visit()];
  one.say("here");
  last().onerror!();
  const lost = { name: "link", data: { state: "lost", since: Date.now() } };
  wait(400);
  two.say("here");
  expect([two.heard, open().length, sources.length]).toEqual([[lost], 1, 2]);
  wait(1000);
  expect(sources).toHaveLength(2);
});
