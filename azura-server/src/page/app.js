// The page: pipelines and runs on one side, one run, live, on the other.

import { draw, number } from "./chart.js";
import { ask, follow, link } from "./server.js";

const $ = id => document.getElementById(id);
const STATES = { PENDING: "waiting", STARTED: "training", SUCCESS: "finished", FAILURE: "failed", REVOKED: "cancelled", LOST: "lost" };
const TASK = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const AWAY = "The server cannot be reached. Trying again …";
const GONE = "This run is not known here. It may be in another data folder.";
const ENDED = ["SUCCESS", "FAILURE", "REVOKED", "LOST"];

let pipelines = [];
let shown = null;

// ---- one run

/** What is known of the run that is shown, grown frame by frame. */
function show(task) {
  if (shown?.task === task) return;
  shown?.stop();
  said = null;
  const view = { task, stop: () => {}, state: "PENDING", epochs: [], total: 0, batch: null, validation: null, run: null, started: null };
  shown = view;
  const mine = then => value => shown === view && then(value);
  if (TASK.test(task)) {
    view.stop = follow(task, mine(frame => take(view, frame)), mine(() => lose(view)));
    refresh(view).catch(mine(tell));
  } else lose(view);
  mark();
  render();
}

async function refresh(view) {
  const run = await ask(`experiments/${view.task}/details`);
  if (shown !== view) return;
  view.run = run;
  view.started = run.started_at && Date.parse(run.started_at);
  render();
}

function take(view, { state, details }) {
  if (state === "STARTED") {
    view.epochs = view.epochs.filter(({ epoch }) => epoch <= details.from_epoch);
    view.started = null;
  }
  if (state !== "PROGRESS") view.state = state;
  else if (details.batch) view.batch = details;
  else {
    view.epochs.push(details);
    view.batch = null;
    view.validation = details.validation_data ?? view.validation;
  }
  view.total = details.total_epochs ?? view.total;
  if (state === "FAILURE") view.failure = details;
  if (state === "STARTED" || ENDED.includes(state)) {
    refresh(view).catch(tell);
    list();
  }
  render();
}

function lose(view) {
  view.state = "LOST";
  render();
}

let due = false;
function render() {
  if (!due) requestAnimationFrame(() => { due = false; paint(); });
  due = true;
}

function paint() {
  const view = shown;
  notice();
  $("run").hidden = !view;
  if (!view) return;
  $("welcome").hidden = true;
  const { state, epochs, total, batch, run } = view;
  const ended = ENDED.includes(state);
  const pipeline = pipelines.find(({ id }) => id === run?.pipeline_name);
  const data = run?.config_summary.dataset ?? run?.config_summary.ticker;
  $("name").textContent = [pipeline?.name ?? run?.pipeline_name, data].filter(Boolean).join(" · ");
  $("id").textContent = run?.experiment_id ?? view.task;
  $("state").textContent = STATES[state];
  $("state").className = `pill ${state.toLowerCase()}`;
  $("cancel").hidden = ended;
  $("report").hidden = state !== "SUCCESS";
  $("report").href = link(`experiments/${run?.experiment_id ?? view.task}/report/html`);
  $("config").textContent = JSON.stringify(run?.config, null, 2);
  document.title = ended || !total ? "AzuraForge" : `${Math.round(100 * epochs.length / total)} % · AzuraForge`;

  const last = epochs.at(-1)?.epoch ?? 0;
  const done = total ? (last + (batch ? (batch.batch - 1) / batch.total_batches : 0)) / total : 0;
  $("progress").hidden = state === "SUCCESS";
  $("bar").value = done;
  $("progress").hidden ||= ended && !total;
  $("step").textContent = state === "PENDING" ? "Waiting for a worker" : total ? `Epoch ${Math.min(last + !ended, total)} of ${total}` : "Reading the data";
  $("time").textContent = ended ? "" : remaining(view, done);

  $("failure").hidden = state !== "FAILURE";
  if (state === "FAILURE") {
    const { message, error_code } = view.failure ?? run?.error ?? {};
    $("why").textContent = message ?? "";
    $("code").textContent = error_code ?? "";
  }
  figures(run?.results);
  const curve = (name, kind, key) => ({ name, kind, points: epochs.filter(e => typeof e[key] === "number").map(e => [e.epoch, e[key]]) });
  draw($("loss"), [curve("training", "a", "loss"), curve("validation", "b", "val_loss")], {
    range: [1, Math.max(2, ended ? last : Math.min(total, Math.max(40, 4 * last)))],
    label: epoch => String(epoch),
    title: epoch => `epoch ${epoch}`,
  });
  forecast(view);
}

function remaining({ started }, done) {
  if (!started || done < 0.02) return "";
  const seconds = (Date.now() - started) / 1000 * (1 / done - 1);
  return seconds < 1.5 ? "" : seconds < 90 ? `about ${Math.round(seconds)} s left` : `about ${Math.round(seconds / 60)} min left`;
}

/** The figures on the test part, and what they would be if the last value were taken for the next. */
const FIGURES = { rmse: "RMSE", mae: "MAE", r2_score: "R²", accuracy: "Accuracy" };

function figures(results) {
  const base = results?.baselines?.persistence ?? {};
  const metrics = results?.metrics ?? {};
  const names = new Set([...Object.keys(FIGURES), ...Object.keys(metrics)]);
  const cards = [...names].filter(name => typeof metrics[name] === "number").map(name => {
    const card = element("div", { className: "card" });
    const list = card.appendChild(element("dl"));
    const label = `${FIGURES[name] ?? name} on the test part`;
    list.append(element("dt", { textContent: label }), element("dd", { textContent: number(metrics[name]) }));
    if (typeof base[name] === "number") card.append(comparison(name, metrics[name], base[name]));
    return card;
  });
  $("figures").replaceChildren(...cards);
}

function comparison(name, value, base) {
  const text = element("small", { textContent: `persistence: ${number(base)}` });
  if (name === "r2_score" || !base) return text;
  const change = value / base - 1;
  const percent = `${Math.abs(100 * change).toFixed(1)} % ${change < 0 ? "lower" : "higher"}`;
  text.append(" · ", element("b", { className: change < 0 ? "better" : "worse", textContent: percent }));
  return text;
}

function forecast({ run, validation, state }) {
  const results = run?.results?.y_pred ? run.results : null;
  const { times, truth, predicted } = results
    ? { times: results.time_index, truth: results.y_true, predicted: results.y_pred }
    : { times: validation?.x_axis, truth: validation?.y_true, predicted: validation?.y_pred };
  $("forecast").hidden = !predicted?.length;
  if (!predicted?.length) return;
  const title = results ? "Forecast of the test part" : state === "STARTED" ? "Forecast of the validation part, as it learns" : "Forecast of the validation part";
  $("part").textContent = [title, results?.y_label].filter(Boolean).join(": ");
  const curve = (name, kind, values) => ({ name, kind, points: values.map((value, i) => [i, value]).filter(([, value]) => typeof value === "number") });
  draw($("series"), [curve("truth", "c", truth), curve("forecast", "a", predicted)], {
    range: [0, predicted.length - 1],
    label: i => times?.[i]?.replace("T00:00:00", "") ?? String(i),
  });
}

// ---- all runs

let listed = [];
async function list() {
  try {
    listed = await ask("experiments?limit=100&fields=summary");
  } catch (error) {
    return tell(error);
  }
  reached(true);
  $("count").textContent = listed.length || "";
  $("none").hidden = listed.length > 0;
  $("welcome").hidden = listed.length > 0 || Boolean(shown);
  $("runs").replaceChildren(...listed.map(entry));
  mark();
}

function entry(run) {
  const item = element("li");
  const anchor = item.appendChild(element("a", { href: `#${run.task_id}` }));
  const { rmse } = run.results_summary;
  const figure = typeof rmse === "number" ? `RMSE ${number(rmse)}` : "";
  const when = new Date(run.created_at).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  anchor.append(
    element("i", { className: `dot ${run.status.toLowerCase()}` }),
    element("b", { textContent: run.batch_name ?? run.config_summary.dataset ?? run.config_summary.ticker ?? (run.pipeline_name || "not taken up yet") }),
    element("span", { textContent: figure }),
    element("small", { textContent: `${STATES[run.status]} · ${when}` }),
  );
  anchor.dataset.task = run.task_id;
  return item;
}

function mark() {
  for (const anchor of $("runs").querySelectorAll("a")) {
    anchor.toggleAttribute("aria-current", anchor.dataset.task === shown?.task);
  }
}

async function start(pipeline) {
  try {
    const { task_id } = await ask("experiments", { pipeline_name: pipeline });
    tell(null);
    location.hash = task_id;
    await list();
  } catch (error) {
    tell(error);
  }
}

function card({ id, name, description }) {
  const item = element("li");
  const button = element("button", { className: "primary", textContent: "Train with defaults" });
  button.onclick = () => start(id);
  item.append(element("strong", { textContent: name }), element("p", { textContent: description }), button);
  return item;
}

// ---- the rest

function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

// What a person should know: that the server is away, that the run is unknown, or what went wrong last.
let said = null;
let reachable = true;

function tell(error) {
  if (error?.away) return reached(false);
  said = error?.message ?? null;
  notice();
}

function reached(now) {
  reachable = now;
  $("link").textContent = now ? "connected" : "not connected";
  $("link").className = now ? "up" : "down";
  notice();
}

function notice() {
  const text = !reachable ? AWAY : shown?.state === "LOST" ? GONE : said;
  $("notice").hidden = !text;
  $("notice").textContent = text ?? "";
}

function go() {
  const task = location.hash.slice(1) || listed[0]?.task_id;
  if (task) show(task);
}

async function load() {
  const [{ version }, found] = await Promise.all([ask("version"), ask("pipelines")]);
  $("version").textContent = version;
  pipelines = found;
  $("pipelines").replaceChildren(...pipelines.map(card));
}

$("first").onclick = () => start(pipelines[0]?.id);
$("cancel").onclick = () => shown && ask(`experiments/${shown.task}/cancel`, {}).then(() => tell(null), tell);
addEventListener("hashchange", go);
addEventListener("resize", render);
setInterval(() => document.hidden || list(), 5000);
setInterval(() => shown && !ENDED.includes(shown.state) && render(), 1000);
await Promise.all([load().catch(tell), list()]);
go();
