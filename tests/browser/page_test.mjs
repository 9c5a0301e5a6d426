// Opens pages of `shardfs plan --html` in headless Chromium at the widths of a telephone, a tablet and a desk, light and
// dark: a page must ask for nothing, raise no error, have no serious accessibility violation, fit the width, keep its
// numbers to the right, show many ranks on two screens, and answer the keyboard, the choice of a rank and a layer, and
// the search. Screenshots go into a directory, for a person; those of one page are compared: light and dark are drawn
// alike and coloured differently.
// Usage: node page_test.mjs CHROMIUM SCREENSHOT_DIRECTORY PAGE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, screenshots, ...pages] = process.argv.slice(2);
const widths = [390, 820, 1440];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const failures = [];
let where = "";
const expect = (holds, what) => { if (!holds) failures.push(`${where}: ${what}`); };

const violations = async (tab) => {
  await tab.evaluate(axe);
  const report = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return report.violations.map((one) => `${one.impact}: ${one.id}: ${one.help}: ${one.nodes[0].target} ` +
    `(${one.nodes.length} times) ${one.nodes[0].failureSummary}`);
};

// Neither the page nor a table in it has to be moved sideways.
const fits = async (tab) => {
  const wide = await tab.evaluate(() => [document.documentElement, ...document.querySelectorAll(".wide")]
    .filter((one) => one.scrollWidth > (one === document.documentElement ? innerWidth : one.clientWidth))
    .map((one) => `${one.getAttribute("aria-labelledby") || one.getAttribute("aria-label") || "the page"}: ` +
      `${one.scrollWidth} pixels`));
  expect(!wide.length, `wider than the screen: ${wide.join("; ")}`);
  const left = await tab.evaluate(() => [...document.querySelectorAll("td.num, th.num, .tree .num")]
    .filter((one) => getComputedStyle(one).textAlign !== "right").length);
  expect(left === 0, `${left} cells of numbers are not to the right`);
};

// Everything that the reader sees of a page, as boxes: the same in both colour schemes.
const geometry = (tab) => tab.evaluate(() => JSON.stringify([...document.querySelectorAll("h1, h2, table, .tree .row, #told")]
  .map((one) => one.getBoundingClientRect()).map((box) => [box.x, box.y, box.width, box.height].map(Math.round))));

const keyboard = async (tab) => {
  await tab.locator("#layer-map td[tabindex='0']").focus();
  const before = await tab.locator("#told").textContent();
  await tab.keyboard.press("ArrowDown");
  for (let i = 0; i < 4; ++i) await tab.keyboard.press("ArrowRight");
  const after = await tab.locator("#told").textContent();
  expect(before.startsWith("Rank 0"), `the map begins with rank 0, and not with "${before}"`);
  expect(after.startsWith("Rank 1") && after.includes("3"), `arrow keys lead to rank 1, layer 3: "${after}"`);
  expect(await tab.locator("#layer-map td[tabindex='0']").count() === 1, "the map is one stop for the tabulator");
  await tab.keyboard.press("Enter");
  expect(await tab.locator("#choose-rank").inputValue() === "1", "Enter chooses the rank of the square");
  await tab.locator("#choose button").click();
};

// A rank and a layer: the others dim, and what is listed adds up to what the plan says.
const choosing = async (tab) => {
  const opaque = () => tab.locator("#layer-map tbody td:not(.dim)").count();
  const all = await opaque();
  await tab.selectOption("#choose-rank", "0");
  const row = await opaque();
  const data = await tab.evaluate(() => shared.plan.ranks[0]);
  expect(row === data.cells.length || all === data.cells.length, `a rank leaves its ${data.cells.length} squares, not ${row}`);
  const listed = await tab.evaluate(() => document.querySelector("#chosen .sum").textContent);
  const size = await tab.evaluate((bytes) => shared.size(bytes), data.bytes);
  expect(listed.includes(size), `the list of rank 0 adds up to ${size}: "${listed}"`);
  // Its folders are listed, each with its bytes, and are among those that the plan gives to the rank.
  const rows = await tab.locator("#chosen .row").evaluateAll((all) => all.map((one) =>
    [one.querySelector(".name").textContent, one.querySelector(".num").textContent]));
  const paths = await tab.evaluate(() =>
    shared.plan.files.filter(([, ranks]) => /^0\b/.test(ranks)).map(([path]) => path));
  expect(rows.length > 0, "no folder of rank 0 is listed");
  for (const [name, bytes] of rows) {
    const first = name.split(" ")[0];
    expect(paths.some((path) => path === first || path.startsWith(first)), `rank 0 has no folder ${name}`);
    expect(/^[\d.]+ [kMGT]?B$/.test(bytes), `the bytes of ${name} are "${bytes}"`);
  }
  await tab.selectOption("#choose-layer", "1");
  expect(await opaque() === 1, `a rank and a layer leave one square, not ${await opaque()}`);
  const layer = await tab.evaluate((bytes) => shared.size(bytes), data.cells[1]);
  const sum = await tab.evaluate(() => (document.querySelector("#chosen .sum") || { textContent: "nothing" }).textContent);
  expect(sum.includes(layer), `layer 0 of rank 0 adds up to ${layer}: "${sum}"`);
  // A layer alone: a column of the map, and the bytes of the files of all ranks, each file once.
  await tab.selectOption("#choose-rank", "");
  const ranks = await tab.locator("#layer-map tbody tr").count();
  expect(await opaque() === ranks, `a layer leaves ${ranks} squares, not ${await opaque()}`);
  const once = await tab.evaluate(() => shared.size(shared.plan.files.reduce((sum, [, , profile]) =>
    sum + shared.plan.profiles[profile].reduce((own, [at, bytes]) => own + (at === 1 ? bytes : 0), 0), 0)));
  const told = await tab.evaluate(() => (document.querySelector("#chosen .sum") || { textContent: "0 B" }).textContent);
  expect(told.includes(once), `layer 0 adds up to ${once}: "${told}"`);
  await tab.selectOption("#choose-layer", "");
  expect(await tab.locator(".dim").count() === 0, "nothing is dim where nothing is chosen");
  expect(await tab.locator("#chosen .row").count() === 0, "nothing is listed where nothing is chosen");
  await tab.selectOption("#choose-rank", "0"); // for the screenshot
  await tab.selectOption("#choose-layer", "1");
};

// What is drawn by rank takes two screens at most, and ranks that load the same are one row.
const manyRanks = async (tab) => {
  const count = await tab.evaluate(() => shared.plan.ranks.length);
  const heights = await tab.evaluate(() => ["#rank-bytes", "#node-bytes", "#expert-map", "#layer-map"]
    .map((name) => [name, document.querySelector(name)]).filter(([, one]) => one)
    .map(([name, one]) => [name, one.getBoundingClientRect().height]));
  for (const [name, height] of heights) expect(height <= 2 * 850, `${name} of ${count} ranks is ${height} pixels high`);
  const rows = await tab.locator("#rank-bytes tbody tr").count();
  const different = await tab.evaluate(() => new Set(shared.plan.ranks.map((rank) => rank.bytes)).size);
  expect(rows <= 2 * different, `${count} ranks with ${different} sizes are ${rows} rows`);
};

const searching = async (tab) => {
  await tab.fill("#search", "norm weight");
  const names = await tab.locator("#found .name").allTextContents();
  expect(names.length > 0 && names.every((name) => /norm/.test(name) && /weight/.test(name)), `found: ${names.slice(0, 3)}`);
  await tab.fill("#search", "no such tensor");
  expect(await tab.locator("#found .name").count() === 0, "what there is not is not found");
  await tab.fill("#search", "norm");
};

const tree = async (tab) => {
  const open = () => tab.locator(".tree details[open]").count();
  const before = await open();
  await tab.locator(".tools button").nth(1).click();
  const folders = await tab.locator("main > section .tree details").count();
  if (folders > 1) expect(await open() > before, "Open all opens folders");
  await tab.locator(".tools button").nth(2).click();
  expect(await open() === before, "Close all leaves the root open");
};

const browser = await chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
const look = async (page, width, colorScheme) => {
  where = `${basename(page)}, ${width} pixels, ${colorScheme}`;
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 850 } });
  const tab = await context.newPage();
  const url = pathToFileURL(page).href;
  tab.on("request", (request) => expect(request.url() === url, `asks for ${request.url()}`));
  tab.on("pageerror", (error) => expect(false, `script: ${error.message}`));
  tab.on("console", (message) => expect(message.type() !== "error", `console: ${message.text()}`));
  await tab.goto(url, { waitUntil: "load" });
  await fits(tab);
  await manyRanks(tab);
  for (const violation of await violations(tab)) expect(false, violation);
  const drawn = { boxes: await geometry(tab), image: await tab.screenshot({ fullPage: true }) };
  if (width === 1440 && await tab.locator("#layer-map tbody tr").count() > 1) await keyboard(tab);
  await tree(tab);
  await choosing(tab);
  await searching(tab);
  await fits(tab);
  for (const violation of await violations(tab)) expect(false, `after choosing: ${violation}`);
  await tab.screenshot({ path: `${screenshots}/${basename(page, ".html")}-${width}-${colorScheme}.png`, fullPage: true });
  await context.close();
  return drawn;
};
try {
  for (const page of pages) {
    for (const width of widths) {
      const light = await look(page, width, "light");
      const dark = await look(page, width, "dark");
      where = `${basename(page)}, ${width} pixels`;
      expect(light.boxes === dark.boxes, "light and dark are not drawn alike");
      expect(!light.image.equals(dark.image), "dark is as light");
    }
    console.log(`${basename(page)}: looked at`);
  }
} finally {
  await browser.close();
}
for (const failure of failures) console.error(`FAILED ${failure}`);
process.exit(failures.length ? 1 : 0);
