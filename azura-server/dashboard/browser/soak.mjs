// What it costs to look on: twenty runs that tell of twenty epochs a second each, for ten minutes, and a run of 100 000 epochs.
// `npm run soak [MINUTES]`, WATCHED=path/to/watched (of the package azura-benches); DATA=folder with many stored runs, such as `list_figures` makes.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const minutes = Number(process.argv[2] ?? 10);
const MOST = { busy: 30, table: 1000, long: 1000, growth: 1.2, epoch: 200 };

const watched = process.env.WATCHED ?? "../../target/release/watched";
const server = spawn(watched, process.env.DATA ? ["--data-dir", process.env.DATA] : [], { stdio: ["ignore", "pipe", "inherit"] });
server.once("error", error => {
  throw error;
});
const told = await new Promise((done, failed) => {
  createInterface(server.stdout).once("line", line => done(JSON.parse(line)));
  server.once("exit", code => failed(new Error(`the server ended with ${code}`)));
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const system = await browser.newBrowserCDPSession();
const missed = [];
const within = (what, value, most, unit) => {
  const fine = value <= most;
  console.log(`${fine ? "ok  " : "MISS"} ${what}: ${value.toFixed(value < 10 ? 2 : 0)} ${unit}, at most ${most}`);
  if (!fine) missed.push(what);
};

/** Seconds of processor time of all of the browser's processes. */
const spent = async () => (await system.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);

/** Opens a page and returns how long it took until it could be used, in milliseconds. */
async function open(path, ready) {
  const page = await (await browser.newContext({ baseURL: told.address, viewport: { width: 1280, height: 860 } })).newPage();
  const begun = performance.now();
  await page.goto(path);
  await page.waitForFunction(ready, undefined, { polling: "raf" });
  return { page, took: performance.now() - begun };
}

/** The page's heap after the garbage is gone, in MB. */
async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize / 1e6;
}

const ROWS = () => document.querySelectorAll(".runs tbody tr").length > 10;
const CURVE = () => document.querySelector(".plot canvas")?.width > 0;
try {
  // The first page also starts the browser's own processes.
  await (await open("/new", () => document.querySelector("h1"))).page.context().close();
  const long = await open(`/runs/${told.long}`, CURVE);
  within("a run of 100 000 epochs is there after", long.took, MOST.long, "ms");
  await long.page.context().close();
  for (const [what, path, ready, keeps] of [["the table", "/runs", ROWS, 0], ["one of 20 live runs", `/runs/${told.live[0]}`, CURVE, 1]]) {
    const { page, took } = await open(path, ready);
    within(`${what} can be used after`, took, MOST.table, "ms");
    await page.waitForTimeout(15_000);
    const before = { heap: await heap(page), spent: await spent() };
    await page.waitForTimeout(60_000 * minutes);
    const busy = ((await spent()) - before.spent) / (0.6 * minutes);
    const after = await heap(page);
    within(`it keeps the whole browser busy with`, busy, MOST.busy, "% of a core");
    const grown = `its memory went from ${before.heap.toFixed(1)} to ${after.toFixed(1)} MB, or`;
    // The page of a run keeps its curves: a few numbers for each epoch, of at most 100 000.
    if (keeps) within(grown, (1e6 * (after - before.heap)) / (20 * 60 * minutes), MOST.epoch, "bytes an epoch");
    else within(grown, after / before.heap, MOST.growth, "times");
    await page.context().close();
  }
} finally {
  await browser.close();
  server.removeAllListeners("exit");
  server.kill();
}
if (missed.length) process.exitCode = 1;
