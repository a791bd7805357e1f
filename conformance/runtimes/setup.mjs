// Installs the JavaScript runtimes that the conformance suite runs beside Node: "make setup-runtimes".
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "./chromium.mjs";
import { install, library, link } from "./packages.mjs";

const INTO = join(dirname(fileURLToPath(import.meta.url)), "../../build/runtimes");
const HELP = `Usage: node conformance/runtimes/setup.mjs [--into FOLDER] [RUNTIME…]

Installs runtimes for the conformance suite: bun, deno, workerd, chromium. Default: all of them.
Quick when they are there already; what was installed before stays. Prints a line for each: name, version, place.

  --into FOLDER  where npm packages are installed; programs are linked in FOLDER/bin. Default: build/runtimes

Chromium is the one that TALLYSTICK_CHROMIUM names, else /usr/bin/chromium; where that is missing, Debian's package is
installed with apt-get, which needs root or a sudo that does not ask. playwright-core, which drives it, comes from npm.

Exit status: 0 when all are there, 1 when one is not, 2 for a wrong use.
`;

/**
 * Runtime -> the npm package that it needs, and how its version and place are found.
 * @typedef {import("./packages.mjs").Packed} Packed
 * @typedef {(into: string) => import("./packages.mjs").Found} Find
 * @type {Record<string, { packed: Packed, parts: Record<string, Find> }>}
 */
const RUNTIMES = {
  bun: { packed: "bun", parts: { bun: (into) => link("bun", into) } },
  deno: { packed: "deno", parts: { deno: (into) => link("deno", into) } },
  workerd: { packed: "workerd", parts: { workerd: (into) => link("workerd", into) } },
  chromium: {
    packed: "playwright-core",
    parts: { "playwright-core": (into) => library("playwright-core", into), chromium },
  },
};

function main() {
  const { names, into } = read();
  const failed = setUp(names, into);
  if (failed.length > 0) {
    console.error(`setup: not there: ${failed.join(", ")}`);
    process.exitCode = 1;
  }
}

/** Reads the command line; ends the process for --help and for a wrong use. */
function read() {
  try {
    const { values, positionals } = parseArgs({
      options: { into: { type: "string", default: INTO }, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    const unknown = positionals.find((name) => !Object.hasOwn(RUNTIMES, name));
    if (unknown) throw new Error(`there is no runtime ${unknown}: take ${Object.keys(RUNTIMES).join(", ")}`);
    return { names: positionals.length > 0 ? positionals : Object.keys(RUNTIMES), into: resolve(values.into) };
  } catch (error) {
    console.error(`setup: ${reason(error)} (--help shows the usage)`);
    process.exit(2);
  }
}

/**
 * The names of what is not there afterwards.
 * @param {string[]} names
 * @param {string} into
 */
function setUp(names, into) {
  try {
    const packed = names.flatMap((name) => RUNTIMES[name]?.packed ?? []);
    install(packed, into);
  } catch (error) {
    console.error(`setup: ${reason(error)}`);
    return names;
  }
  return names
    .flatMap((name) => Object.entries(RUNTIMES[name]?.parts ?? {}))
    .flatMap(([part, find]) => report(part, find, into));
}

/**
 * The name of a part that is not there, alone.
 * @param {string} name
 * @param {Find} find
 * @param {string} into
 */
function report(name, find, into) {
  try {
    const { version, place } = find(into);
    console.log(`${name}: ${version}, ${place}`);
    return [];
  } catch (error) {
    console.error(`setup: ${name}: ${reason(error)}`);
    return [name];
  }
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof Error ? error.message : String(error);
}

main();
