// The leg "chromium" of the conformance suite: a page over "tallystick/core" in headless Chromium, driven by playwright-core.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exchange } from "../node/exchange.mjs";
import { serve } from "./site.mjs";

const RUNTIMES = fileURLToPath(new URL("../../../build/runtimes", import.meta.url));
const HELP = `Usage: node conformance/drivers/chromium/driver.mjs [--chromium FILE] [--runtimes FOLDER]

Answers the questions of the conformance suite with a page in headless Chromium (conformance/README.md describes the
exchange). The Node package must be built (make node).

  --chromium FILE    Chromium 140 or later; default: TALLYSTICK_CHROMIUM, else /usr/bin/chromium
  --runtimes FOLDER  where "make setup-runtimes" installed playwright-core; default: TALLYSTICK_RUNTIMES, else build/runtimes
`;

// No sandbox: root, as in a container, has none, and the page is our own. The rest keeps it from reaching for the network.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"];

/** How long Chromium may take to start, and the page to open its core, in milliseconds. */
const STARTS_WITHIN = 60_000;

function playwright(folder) {
  try {
    return createRequire(resolve(folder, "package.json"))("playwright-core");
  } catch (cause) {
    throw new Error(`there is no playwright-core in ${folder}: run "make setup-runtimes", or give --runtimes`, { cause });
  }
}

/** A browser with a fresh profile in the folder for temporary files, which is removed with it; a signal ends both. */
async function launch(chromium, executablePath) {
  // Playwright's own handlers close the browser but let the process wait for its input.
  const ours = { handleSIGHUP: false, handleSIGINT: false, handleSIGTERM: false };
  const browser = await chromium.launch({ executablePath, args: FLAGS, timeout: STARTS_WITHIN, ...ours });
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
    process.once(signal, () => browser.close().finally(() => process.exit(1)));
  }
  return browser;
}

/** The page, its core open. */
async function open(browser, url) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(url, { timeout: STARTS_WITHIN });
  await page.waitForFunction(() => "ask" in globalThis, undefined, { timeout: STARTS_WITHIN });
  return page;
}

/** Asks over the DevTools protocol itself: `page.evaluate` would take every value apart, which costs more than the call. */
async function asker(page) {
  const session = await page.context().newCDPSession(page);
  const { result } = await session.send("Runtime.evaluate", { expression: "globalThis.ask" });
  const question = { objectId: result.objectId, functionDeclaration: "function (...values) { return this(...values); }" };
  return async (op, ...bytes) => {
    const values = [op, ...bytes.slice(0, 2).map((part) => part.toString("base64"))];
    const call = { ...question, returnByValue: true, arguments: values.map((value) => ({ value })) };
    const { result, exceptionDetails } = await session.send("Runtime.callFunctionOn", call);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
}

async function main() {
  const options = { chromium: { type: "string" }, runtimes: { type: "string" }, help: { type: "boolean", short: "h" } };
  const { values } = parseArgs({ options });
  if (values.help) return void process.stdout.write(HELP);
  const executablePath = values.chromium ?? process.env.TALLYSTICK_CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(`there is no ${executablePath}: install Chromium ("make setup-runtimes"), or give --chromium`);
  }
  const { chromium } = playwright(values.runtimes ?? process.env.TALLYSTICK_RUNTIMES ?? RUNTIMES);
  const site = await serve();
  const browser = await launch(chromium, executablePath);
  try {
    const page = await open(browser, site.url);
    await exchange(await asker(page));
  } finally {
    await browser.close();
    await site.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(`driver chromium: ${error.message}`);
  process.exitCode = 2;
}
