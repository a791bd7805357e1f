// The leg "chromium" of the conformance suite: a page over "tallystick/core" in headless Chromium,
// driven by playwright-core.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exchange } from "../node/exchange.mjs";
import { asker, serve } from "./site.mjs";

const RUNTIMES = fileURLToPath(new URL("../../../build/runtimes", import.meta.url));
const HELP = `Usage: node conformance/drivers/chromium/driver.mjs [--chromium FILE] [--runtimes FOLDER]

Answers the questions of the conformance suite with a page in headless Chromium (conformance/DRIVERS.md describes the
exchange). The Node package must be built (make node).

  --chromium FILE    Chromium 140 or later; default: TALLYSTICK_CHROMIUM, else /usr/bin/chromium
  --runtimes FOLDER  where "make setup-runtimes" installed playwright-core; default: TALLYSTICK_RUNTIMES, else build/runtimes
`;

// No sandbox: root, as in a container, has none, and the page is our own. The rest keeps it from
// reaching for the network.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"];

/** How long Chromium may take to start, and the page to open its core, in milliseconds. */
const STARTS_WITHIN = 60_000;

/**
 * What is used of the package playwright-core, which is not where types are checked.
 * @typedef {{ on(event: "console", listener: (message: { text(): string }) => void): void }
 *   & { on(event: "pageerror", listener: (error: Error) => void): void }
 *   & { goto(url: string, options: { timeout: number }): Promise<unknown> }} Page
 * @typedef {{ newPage(): Promise<Page>, close(): Promise<void> }} Browser
 * @typedef {{ launch(options: object): Promise<Browser> }} Chromium
 */

/**
 * @param {string} folder
 * @returns {{ chromium: Chromium, WebSocketServer: import("./site.mjs").SocketServer }}
 */
function playwright(folder) {
  const from = createRequire(resolve(folder, "package.json"));
  try {
    // Its bundle of libraries has the package "ws", which saves installing it once more.
    return { ...from("playwright-core"), WebSocketServer: from("playwright-core/lib/utilsBundle").wsServer };
  } catch (cause) {
    throw new Error(`there is no playwright-core in ${folder}: run "make setup-runtimes", or give --runtimes`, {
      cause,
    });
  }
}

/**
 * A browser with a fresh profile in the folder for temporary files. The profile is removed with it; a
 * signal ends both.
 * @param {Chromium} chromium
 * @param {string} executablePath
 */
async function launch(chromium, executablePath) {
  // Playwright's own handlers close the browser but let the process wait for its input.
  const ours = { handleSIGHUP: false, handleSIGINT: false, handleSIGTERM: false };
  const browser = await chromium.launch({ executablePath, args: FLAGS, timeout: STARTS_WITHIN, ...ours });
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
    process.once(signal, () => browser.close().finally(() => process.exit(1)));
  }
  return browser;
}

/**
 * Opens the page: the socket that it connects with.
 * @param {Browser} browser
 * @param {Awaited<ReturnType<typeof serve>>} site
 */
async function open(browser, site) {
  const connected = site.connected(AbortSignal.timeout(STARTS_WITHIN));
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  /** @type {Promise<never>} */
  const failed = new Promise((_, reject) => {
    page.on("pageerror", (error) => reject(new Error(`page: ${error.message}`)));
  });
  const loaded = page.goto(site.url, { timeout: STARTS_WITHIN });
  const [socket] = await Promise.all([Promise.race([connected, failed]), loaded]);
  return socket;
}

async function main() {
  const { values } = parseArgs({
    options: { chromium: { type: "string" }, runtimes: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) return void process.stdout.write(HELP);
  const executablePath = values.chromium ?? process.env.TALLYSTICK_CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(`there is no ${executablePath}: install Chromium ("make setup-runtimes"), or give --chromium`);
  }
  const { chromium, WebSocketServer } = playwright(values.runtimes ?? process.env.TALLYSTICK_RUNTIMES ?? RUNTIMES);
  const site = await serve(WebSocketServer);
  const browser = await launch(chromium, executablePath);
  try {
    await exchange(asker(await open(browser, site)));
  } finally {
    await browser.close();
    await site.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(`driver chromium: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}
