// Opens a page of `shardfs plan --html` in headless Chromium, light and dark: it must ask for nothing, raise no error,
// have no serious accessibility violation, and answer the keyboard. Screenshots go into a directory, for a person.
// Usage: node page_test.mjs CHROMIUM PAGE SCREENSHOT_DIRECTORY
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, page, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const failures = [];
const expect = (holds, what) => { if (!holds) failures.push(what); };

const violations = async (tab) => {
  await tab.evaluate(axe);
  const report = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return report.violations.map((one) => `${one.impact}: ${one.id}: ${one.help}: ${one.nodes[0].target} ` +
    `(${one.nodes.length} times) ${one.nodes[0].failureSummary}`);
};

const keyboard = async (tab) => {
  await tab.locator("#layer-map td[tabindex='0']").focus();
  const before = await tab.locator("#told").textContent();
  await tab.keyboard.press("ArrowDown");
  for (let i = 0; i < 4; ++i) await tab.keyboard.press("ArrowRight");
  const after = await tab.locator("#told").textContent();
  expect(before.startsWith("Rank 0 "), `the map begins with rank 0, and not with "${before}"`);
  expect(after.startsWith("Rank 1 ") && after.includes("layer 3"), `arrow keys lead to rank 1, layer 3: "${after}"`);
  expect(await tab.locator("#layer-map td[tabindex='0']").count() === 1, "the map is one stop for the tabulator");
};

const tree = async (tab) => {
  const open = () => tab.locator("details[open]").count();
  const before = await open();
  await tab.getByRole("button", { name: "Open all" }).click();
  expect(await open() > before, "Open all opens folders");
  await tab.getByRole("button", { name: "Close all" }).click();
  expect(await open() === before, "Close all leaves the root open");
};

const browser = await chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
try {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1366, height: 850 } });
    const tab = await context.newPage();
    const url = pathToFileURL(page).href;
    tab.on("request", (request) => expect(request.url() === url, `asks for ${request.url()}`));
    tab.on("pageerror", (error) => failures.push(`script: ${error.message}`));
    tab.on("console", (message) => expect(message.type() !== "error", `console: ${message.text()}`));
    const start = Date.now();
    await tab.goto(url, { waitUntil: "load" });
    console.log(`${colorScheme}: loaded in ${Date.now() - start} ms`);
    const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow <= 0, `${colorScheme}: ${overflow} pixels wider than a laptop's screen`);
    for (const violation of await violations(tab)) failures.push(`${colorScheme}: ${violation}`);
    await keyboard(tab);
    await tree(tab);
    await tab.screenshot({ path: `${screenshots}/plan-${colorScheme}.png`, fullPage: true });
    await context.close();
  }
} finally {
  await browser.close();
}
for (const failure of failures) console.error(`FAILED ${failure}`);
process.exit(failures.length ? 1 : 0);
