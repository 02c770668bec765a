// What the browser tests stand on: a server with data of its own, a line to it that can be cut, and pages that note every complaint.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const PATIENCE = 60_000;

/** A port that is free, or was a moment ago. */
async function freePort() {
  const server = net.createServer();
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise(done => server.close(done));
  return port;
}

/** The binary of AZURA, on a data folder that goes with it; or whatever listens on AZURA_PORT. */
export async function startServer(origin) {
  if (process.env.AZURA_PORT) return { port: Number(process.env.AZURA_PORT), stop: async () => {} };
  const binary = process.env.AZURA ?? "../../target/release/azura";
  const data = await mkdtemp(path.join(tmpdir(), "azura-browser-"));
  const port = await freePort();
  let child, ended;
  async function begin() {
    child = spawn(binary, ["serve", "--bind", `127.0.0.1:${port}`, "--data-dir", data, "--workers", "2", "--allow-origin", origin], { stdio: ["ignore", "inherit", "inherit"] });
    ended = new Promise(done => child.once("exit", done));
    child.once("error", error => {
      throw error;
    });
    for (let tries = 0; ; tries++) {
      if (await fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok, () => false)) break;
      if (tries > 200) throw new Error("the server does not start");
      await new Promise(done => setTimeout(done, 50));
    }
  }
  async function end(signal) {
    child.kill(signal);
    await ended;
  }
  await begin();
  return {
    port,
    kill: () => end("SIGKILL"),
    again: begin,
    stop: async () => {
      await end("SIGTERM");
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Passes everything on, until it is cut. */
function line(target, port) {
  const open = new Set();
  /** The connections that carry the stream over all runs. */
  const streams = new Set();
  let whole = true;
  const server = net.createServer(client => {
    if (!whole) return client.destroy();
    const far = net.connect(target(), "127.0.0.1");
    for (const end of [client, far]) {
      open.add(end);
      end.on("close", () => open.delete(end));
      end.on("error", () => {});
    }
    client.on("data", data => data.includes("GET /api/v1/events ") && streams.add(client));
    client.on("close", () => streams.delete(client));
    client.pipe(far).pipe(client);
    client.on("close", () => far.destroy());
    far.on("close", () => client.destroy());
  });
  return {
    listen: () => new Promise(done => server.listen(port, "127.0.0.1", done)),
    cut: () => {
      whole = false;
      open.forEach(end => end.destroy());
    },
    heal: () => (whole = true),
    streams: () => streams.size,
    close: () => {
      open.forEach(end => end.destroy());
      server.close();
    },
  };
}

export async function start() {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  let server;
  const wire = line(() => server.port, port);
  server = await startServer(base);
  await wire.listen();
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const complaints = [];

  async function open(address, { locale = "en-GB", theme = "light", width = 1280, timezoneId } = {}) {
    const context = await browser.newContext({ baseURL: base, locale, timezoneId, colorScheme: theme, viewport: { width, height: 860 } });
    context.setDefaultTimeout(PATIENCE);
    context.on("page", page => {
      page.on("console", message => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
      page.on("pageerror", error => complaints.push(error.stack));
    });
    const page = await context.newPage();
    await page.goto(address);
    return page;
  }
  const ask = async (address, body, method = body ? "POST" : "GET") => {
    const answer = await fetch(`${base}/api/v1/${address}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    return answer.status === 204 ? null : answer.json();
  };
  const submit = async config => {
    const answer = await ask("experiments", { pipeline_name: "csv_forecaster", ...config });
    if (!answer.task_id) throw new Error(JSON.stringify(answer));
    return answer.task_id;
  };
  const ended = async task => {
    for (;;) {
      const run = await ask(`experiments/${task}/details`);
      if (["SUCCESS", "FAILURE", "REVOKED"].includes(run.status)) return run;
      await new Promise(done => setTimeout(done, 200));
    }
  };
  /** What was complained of since the last time. That an answer was 404 or 422, or a line was cut, the browser says by itself. */
  const complained = () => complaints.splice(0).filter(text => !/status of (404|422)|net::ERR|WebSocket connection to/.test(text));
  return {
    base,
    browser,
    open,
    ask,
    submit,
    ended,
    complained,
    kill: server.kill,
    again: server.again,
    cut: wire.cut,
    heal: wire.heal,
    streams: wire.streams,
    stop: async () => {
      await browser.close();
      wire.close();
      await server.stop();
    },
  };
}

/** What axe finds that is serious or worse. */
export async function barriers(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary.split("\n")[1] ?? ""}`).join(" | ")}`);
}

