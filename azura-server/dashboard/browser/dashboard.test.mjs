// The dashboard as people use it, in a real browser, against the real server.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { barriers, start } from "./harness.mjs";

let world;
before(async () => (world = await start()));
after(() => world.stop());
afterEach(() => assert.deepEqual(world.complained(), []));

const state = page => page.locator(".run-head .state");
const reads = (locator, text) => locator.filter({ hasText: text }).first().waitFor();
/** What reaches out of its card, unless that scrolls. */
const overfull = page =>
  page.evaluate(() => {
    const out = part => {
      const card = part.closest(".card");
      return getComputedStyle(card).overflowX === "visible" && part.getBoundingClientRect().right > card.getBoundingClientRect().right + 1;
    };
    return [...document.querySelectorAll(".card > *, .card > figcaption > *")].filter(out).map(part => `${part.tagName}.${part.className}`);
  });
const SHORT = { training_params: { epochs: 2 } };
const LONG = { training_params: { epochs: 3000, seed: 7 } };
const FAILS = { training_params: { lr: 10, optimizer: "sgd", epochs: 40 }, model_params: { kind: "mlp" }, feature_engineering: { scaler: "min_max" } };

test("a first visit trains the example and ends at its report, without a reload", async () => {
  const page = await world.open("/");
  await page.evaluate(() => (globalThis.loaded = 1));
  await page.getByRole("button", { name: "Start the example" }).click();
  await reads(state(page), "training");
  // Curves within five seconds of the beginning.
  await page.locator(".pace dd", { hasText: /^[1-9]\d* \/ 40$/ }).waitFor({ timeout: 5000 });
  await page.locator(".plot canvas").first().waitFor();
  await reads(state(page), "finished");
  await reads(page.locator(".figures"), "RMSE");
  await page.getByRole("tab", { name: "Report" }).click();
  await page.locator(".report h1").waitFor();
  await page.waitForFunction(() => {
    const images = [...document.querySelectorAll(".report img")];
    return images.length > 0 && images.every(image => image.complete && image.naturalWidth > 0);
  });
  assert.equal(await page.evaluate(() => globalThis.loaded), 1);

  await page.getByRole("tab", { name: "Forecast" }).click();
  await page.getByLabel("Steps").fill("5");
  await page.getByRole("button", { name: "Forecast" }).click();
  await page.locator("table tbody tr").nth(4).waitFor();
  assert.equal(await page.locator("table tbody tr").count(), 5);
  // It is there again after a look elsewhere, and after a reload.
  await page.getByRole("tab", { name: "Log" }).click();
  await page.getByRole("tab", { name: "Forecast" }).click();
  await page.locator("table tbody tr").nth(4).waitFor();
  await page.reload();
  await page.locator("table tbody tr").nth(4).waitFor();
  // What cannot be asked is said at the field, and no old answer stands below it.
  const forecast = page.getByRole("button", { name: "Forecast", exact: true });
  for (const steps of ["0", "1.5", "", "100000"]) {
    await page.getByLabel("Steps").fill(steps);
    await forecast.click();
    await reads(page.locator("form .problem"), "from 1 to 1,000");
    assert.equal(await page.locator("table").count(), 0);
  }
  await page.getByLabel("Steps").fill("3");
  await forecast.click();
  await page.waitForFunction(() => document.querySelectorAll("table tbody tr").length === 3);
  await page.context().close();
});

test("minutes of training are not cancelled without a question", async () => {
  const task = await world.submit(LONG);
  const page = await world.open(`/runs/${task}`);
  await page.locator(".pace dd", { hasText: /^[1-9]\d* \// }).waitFor();
  await page.clock.setSystemTime(Date.now() + 120_000);
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Cancel run" }).click();
  await reads(dialog, "it can be resumed from there");
  await dialog.getByRole("button", { name: "Go on training" }).click();
  await dialog.waitFor({ state: "detached" });
  await reads(state(page), "training");
  await page.getByRole("button", { name: "Cancel run" }).click();
  await dialog.getByRole("button", { name: "Cancel run" }).click();
  await reads(state(page), "cancelled");
  // What it came to is still told.
  await page.goto(`/runs?q=${task}`);
  const row = page.locator(".runs tbody tr");
  await reads(row.locator(".how"), /\d+ \/ 3,000/);
  await reads(row, /0\.\d{3,}/);
  await page.context().close();
});

test("a line that is cut is said to be, and heals without a gap", async () => {
  const task = await world.submit(LONG);
  const page = await world.open(`/runs/${task}`);
  await page.locator(".pace dd", { hasText: /^[1-9]\d* \// }).waitFor();
  world.cut();
  await reads(page.locator(".banner"), "No connection since");
  await page.waitForTimeout(1500);
  world.heal();
  await reads(page.locator(".connection"), "Live");
  await page.locator(".banner").waitFor({ state: "detached" });
  await reads(page.locator(".pace"), "Updates as it learns.");

  await page.getByRole("button", { name: "Cancel run" }).click();
  await reads(state(page), "cancelled");
  const { columns } = await world.ask(`experiments/${task}/history`);
  await page.getByRole("tab", { name: "Log" }).click();
  await reads(page.locator(".log"), `${columns.epoch.length.toLocaleString("en-GB")} epochs told`);
  await page.context().close();
});

test("a server that is killed is missed, and what it trained goes on when it is back", async () => {
  const done = await world.ended(await world.submit(SHORT));
  const task = await world.submit(LONG);
  const page = await world.open(`/runs/${task}`);
  await page.locator(".pace dd", { hasText: /^[1-9]\d* \// }).waitFor();
  await world.kill();
  await reads(page.locator(".banner"), "No connection since");
  await world.again();
  await reads(page.locator(".connection"), "Live");
  // The dead attempt's lease runs out, another one goes on from its checkpoint, and the page says so.
  await reads(page.locator(".run-head, .pace, .log"), /[Aa]ttempt 2/);
  await page.getByRole("button", { name: "Cancel run" }).click();
  await reads(state(page), "cancelled");
  await page.goto(`/runs/${done.experiment_id}`);
  await reads(state(page), "finished");
  await page.context().close();
});

test("what was written as markup is shown as text", async () => {
  const markup = "<img src=x onerror=alert(1)><b class=evil>&amp;";
  const { experiment_id: id, task_id: task } = await world.ended(await world.submit({ ...FAILS, batch_name: markup }));
  await world.ask(`experiments/${id}`, { name: markup, tags: [markup.slice(0, 40)], notes: `*Says:* ${markup} [here](javascript:alert(1))` }, "PATCH");
  const page = await world.open("/runs");
  await reads(page.locator(".runs"), markup);
  for (const address of ["/runs", "/runs?group=batch", `/runs/${id}`, `/runs/${id}?tab=config`, `/runs/${task}?tab=log`, `/compare?ids=${id},${encodeURIComponent(markup)}`, `/new/csv_forecaster?from=${id}`, `/runs/${encodeURIComponent(markup)}`]) {
    await page.goto(address);
    await page.locator("h1, h2").first().waitFor();
    await page.waitForFunction(() => !document.querySelector(".loading"));
    assert.equal(await page.locator("[src=x], .evil, [onerror], a[href^=javascript]").count(), 0, address);
  }
  await page.context().close();
});

test("zoom survives new data", async () => {
  const task = await world.submit(LONG);
  const page = await world.open(`/runs/${task}`);
  await page.locator(".pace dd", { hasText: /^([5-9]|\d\d+) \// }).waitFor();
  await page.getByRole("button", { name: "Zoom in" }).first().click();
  await page.waitForTimeout(1000);
  assert.equal(await page.getByRole("button", { name: "Show all" }).first().isEnabled(), true);
  await world.ask(`experiments/${task}/cancel`, {});
  await reads(state(page), "cancelled");
  assert.equal(await page.getByRole("button", { name: "Show all" }).first().isEnabled(), true);
  await page.context().close();
});

test("the form offers the data sets, and the columns of the one that is chosen", async () => {
  const page = await world.open("/new/csv_forecaster");
  const offered = of => page.getByRole("group", { name: of }).getByRole("button");
  await offered("Data set").filter({ hasText: "sunspots" }).click();
  await reads(offered("Target column"), "SUNACTIVITY");
  await offered("Target column").click();
  await page.waitForFunction(() => [...document.querySelectorAll("input")].some(({ value }) => value === "SUNACTIVITY"));
  await reads(page.locator(".verdict"), "Ready to run");
  // What is misspelt says so, and what there is stays in sight.
  await page.getByLabel("Target column").first().fill("SUN");
  await reads(page.locator(".field .problem"), "there are: `SUNACTIVITY`");
  await offered("Target column").click();
  await page.getByRole("button", { name: "Start run" }).click();
  await reads(state(page), "finished");
  await page.context().close();
});

test("a grid of six is counted before it starts, and compared at its end", async () => {
  const page = await world.open("/new/csv_forecaster");
  await page.getByLabel("Learning rate", { exact: true }).fill("0.01, 0.003, 0.001");
  await page.getByLabel("Seed").fill("1, 2");
  await page.getByLabel("Epochs").fill("abc");
  await reads(page.locator(".field .problem"), /abc/);
  await page.getByLabel("Epochs").fill("2");
  await page.getByRole("button", { name: "Start 6 runs" }).click();
  await page.locator(".runs tbody tr").nth(5).waitFor();
  for (let i = 0; i < 6; i++) await reads(page.locator(".runs tbody tr").nth(i).locator(".state"), "finished");
  await page.getByRole("link", { name: "Compare these 6" }).click();
  await reads(page.locator("h2"), "Parallel coordinates");
  await reads(page.locator("h2"), "Over seeds");
  assert.ok((await page.locator("td.best").count()) > 0);
  await page.context().close();
});

test("a failed run says why, and breaks no comparison", async () => {
  const [bad, good] = await Promise.all([world.submit(FAILS), world.submit(SHORT)]);
  const [failed, fine] = await Promise.all([world.ended(bad), world.ended(good)]);
  assert.equal(failed.status, "FAILURE");
  const page = await world.open(`/runs/${bad}`);
  await reads(page.locator(".failed"), failed.error.error_code);
  await reads(page.locator(".failed .why"), failed.error.message);
  await page.goto(`/compare?ids=${failed.experiment_id},${fine.experiment_id},nobody`);
  await reads(page.locator("td.num"), "–");
  await reads(page.locator(".note"), "nobody");
  assert.equal(await page.locator(".legend-runs li").count(), 2);
  await page.context().close();
});

test("deep links are pages, and reload", async () => {
  const task = await world.submit(SHORT);
  const { experiment_id: id } = await world.ended(task);
  const page = await world.open("/runs?status=SUCCESS&sort=rmse");
  for (const [address, text] of [
    ["/runs?status=SUCCESS&sort=rmse", "Runs"],
    ["/new", "New run"],
    ["/new/image_classifier", "Image classifier"],
    [`/new/csv_forecaster?from=${id}`, "CSV forecaster"],
    [`/runs/${id}`, "seattle-weather"],
    [`/runs/${id}?tab=config`, "seattle-weather"],
    [`/compare?ids=${id}`, "Compare"],
    ["/models", "Models"],
  ]) {
    await page.goto(address);
    await reads(page.locator("h1"), text);
    await page.reload();
    await reads(page.locator("h1"), text);
  }
  await page.goto(`/runs/${id}?tab=config`);
  assert.equal(await page.getByRole("tab", { name: "Config" }).getAttribute("aria-selected"), "true");
  await page.context().close();
});

test("a day is the same day wherever one looks from", async () => {
  const { experiment_id: id, results } = await world.ended(await world.submit(SHORT));
  const days = results.time_index.slice(-2).map(day => new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" }).format(Date.parse(`${day.slice(0, 10)}T00:00:00Z`)));
  for (const timezoneId of ["Pacific/Kiritimati", "America/Los_Angeles"]) {
    const page = await world.open(`/runs/${id}`, { timezoneId });
    const chart = page.locator("figure", { hasText: "Forecast of the test part" });
    await chart.locator("canvas").waitFor();
    await chart.getByRole("application").focus();
    await page.keyboard.press("ArrowRight");
    const told = (await chart.locator(".at").textContent()).trim();
    assert.ok(days.includes(told), `${told} in ${timezoneId}, and not one of ${days}`);
    await page.context().close();
  }
});

test("an address that is none says so", async () => {
  for (const [address, text] of [["/runs/%25", "This run is not known here"], ["/runs/%E0%A4%A", "This run is not known here"], ["/nowhere", "There is no such page"]]) {
    const page = await world.open(address);
    await reads(page.locator("h2"), text);
    await page.getByRole("link", { name: "Runs" }).first().waitFor();
    await page.context().close();
  }
});

test("a run is named, starred, found, and deleted", async () => {
  const { experiment_id: id } = await world.ended(await world.submit(SHORT));
  const page = await world.open(`/runs/${id}`);
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByLabel("Name").fill("<b>The chosen</b>");
  await page.keyboard.press("Enter");
  await reads(page.locator("h1"), "<b>The chosen</b>");
  await page.goto("/runs");
  await page.locator(".runs tbody tr").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("the chosen");
  await page.waitForURL(/q=the/);
  await page.waitForFunction(() => document.querySelectorAll(".runs tbody tr").length === 1);
  await page.getByRole("button", { name: /^Actions for/ }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await reads(page.locator("h2"), "No run fits");
  await page.context().close();
});

test("the keyboard is enough", async () => {
  const page = await world.open("/new/csv_forecaster");
  await page.getByLabel("Epochs").fill("2");
  await page.getByRole("button", { name: "Start run" }).waitFor();
  await page.keyboard.press("Enter");
  await reads(state(page), "finished");
  await page.getByRole("tab", { name: "Forecast" }).waitFor();
  await page.getByRole("tab", { name: "Overview" }).focus();
  await page.keyboard.press("ArrowRight");
  await reads(page.locator("[role=tab][aria-selected=true]"), "Forecast");
  await page.getByRole("button", { name: "Actions" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "menuitem");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Actions");
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, "solid");
  await page.context().close();
});

test("language and theme are the browser's, and can be chosen", async () => {
  const page = await world.open("/runs", { locale: "tr-TR", theme: "dark" });
  await reads(page.locator("h1"), "Çalışmalar");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "tr");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("button", { name: "Light theme" }).click();
  await page.reload();
  await reads(page.locator("h1"), "Runs");
  assert.notEqual(await ground(), dark);
  await page.context().close();
});

test("what the server says is Turkish where that is spoken, in reports and their pictures too", async () => {
  const english = /(?<![\p{L}_])(the|of|is|are|was|were|and|in|at|than|with|from|to|by|for|it|rows?|epochs?|loss|class|pictures?|training|validation|truth|forecast|value)(?![\p{L}_])/iu;
  const forecast = world.submit({ ...SHORT, model_params: { kind: "gru", horizon: 2, interval: 0.8 } });
  const others = ["image_classifier", "voice_generator"].map(pipeline_name => world.submit({ pipeline_name, training_params: { epochs: 1 }, ...(pipeline_name === "voice_generator" && { data_sourcing: { seconds: 2 } }) }));
  const page = await world.open("/runs", { locale: "tr-TR" });
  for (const task of await Promise.all([forecast, ...others])) {
    const { experiment_id: id } = await world.ended(task);
    await page.goto(`/runs/${id}?tab=report`);
    await page.locator(".report h1").waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll(".report img")].every(image => image.naturalWidth > 0));
    const texts = await page.evaluate(() => {
      const found = [];
      const texts = document.createTreeWalker(document.querySelector(".report"), NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) if (!texts.currentNode.parentElement.closest("code")) found.push(texts.currentNode.data);
      for (const { alt, src } of document.querySelectorAll(".report img")) found.push(alt, ...[...decodeURIComponent(src).matchAll(/<(?:text|title)[^>]*>([^<]*)/g)].map(([, text]) => text));
      return found;
    });
    assert.ok(texts.length > 100, `${texts.length} texts`);
    // The names of a publication and of its terms stay what they are.
    assert.deepEqual(texts.filter(text => english.test(text.replace(/Optical Recognition of Handwritten Digits|CC BY/g, ""))), [], id);
  }

  const { experiment_id: bad } = await world.ended(await world.submit(FAILS));
  await page.goto(`/runs/${bad}?tab=log`);
  for (const part of [".failed .why", ".log"]) {
    await reads(page.locator(part), "öğrenme oranı");
    assert.doesNotMatch(await page.locator(part).textContent(), english);
  }
  await page.goto("/new/csv_forecaster");
  await page.getByLabel("Öğrenme oranı", { exact: true }).fill("20,5");
  await reads(page.locator(".field .problem"), "`20,5`, izin verilen en büyük değerin");
  await page.context().close();
});

test("no screen has barriers, spills over, or breaks the policy", async () => {
  const { experiment_id: id } = await world.ended(await world.submit(SHORT));
  const { experiment_id: other } = await world.ended(await world.submit({ training_params: { epochs: 2, lr: 0.01 } }));
  const { experiment_id: picture } = await world.ended(await world.submit({ pipeline_name: "image_classifier", training_params: { epochs: 1 } }));
  const live = await world.submit(LONG);
  const screens = ["/runs", "/runs?group=batch", "/runs?q=nothing-is-called-so", "/new", "/new/csv_forecaster", `/runs/${id}`, `/runs/${picture}`, `/runs/${live}`, "/runs/nobody", "/compare", `/compare?ids=${id},${other}`, "/models"];
  screens.push(...["forecast", "report", "config", "log", "files"].map(tab => `/runs/${id}?tab=${tab}`));
  for (const [theme, width, locale] of [["light", 1280, "en-GB"], ["dark", 1280, "tr-TR"], ["dark", 390, "en-GB"], ["light", 360, "tr-TR"]]) {
    const page = await world.open("/runs", { theme, width, locale });
    for (const screen of screens) {
      await page.goto(screen);
      await page.locator("h1, h2").first().waitFor();
      await page.waitForFunction(() => !document.querySelector(".loading"));
      assert.deepEqual(await barriers(page), [], `${screen} ${theme} ${width}`);
      const spilt = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(spilt <= 0, `${screen} at ${width} px spills over by ${spilt} px`);
      assert.deepEqual(await overfull(page), [], `${screen} at ${width} px`);
    }
    await page.context().close();
  }
  const page = await world.open("/runs");
  for (const width of [1057, 1120, 1200, 1281, 1440, 1920]) {
    await page.setViewportSize({ width, height: 860 });
    assert.deepEqual(await overfull(page), [], `the table at ${width} px`);
  }
  await page.context().close();
  await world.ask(`experiments/${live}/cancel`, {});
});

/** What a browser has closed, among it what an earlier window had, is seen to be closed a moment later. */
async function streams(count) {
  for (let tries = 0; world.streams() !== count; tries++) {
    assert.ok(tries < 600, `${world.streams()} streams are open, not ${count}`);
    await new Promise(done => setTimeout(done, 100));
  }
}

test("eight windows share one stream, and all of them heal", async () => {
  const first = await world.open("/runs");
  const others = await Promise.all(Array.from({ length: 7 }, () => first.context().newPage()));
  const pages = [first, ...others];
  await Promise.all(others.map(page => page.goto("/runs")));
  const all = check => Promise.all(pages.map(check));
  const live = page => reads(page.locator(".connection.live"), "Live");
  await all(live);
  await streams(1);

  const task = await world.submit(LONG);
  const row = page => page.locator(".runs tbody tr", { hasText: task.slice(0, 8) });
  for (const epochs of [/[1-9]\d* \/ 3,000/, /[1-9]\d+ \/ 3,000/]) await all(page => reads(row(page).locator(".how"), epochs));

  await world.kill();
  await all(page => reads(page.locator(".banner"), "No connection since"));
  assert.equal(world.streams(), 0);
  await world.again();
  await all(live);
  await streams(1);

  // Seven leave: to another site, or without a word.
  const gone = others.map((page, i) => (i % 2 ? page.goto("about:blank") : page.close()));
  await Promise.all(gone);
  await world.ask(`experiments/${task}/cancel`, {});
  await reads(row(first).locator(".state"), "cancelled");
  assert.equal(world.streams(), 1);
  await first.goto("about:blank");
  await streams(0);
  await first.context().close();
});
