// Chromium as the system has it: playwright's own builds come from a server of their own, Debian's from Debian.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { version } from "./packages.mjs";

/** The first that reads base64 into bytes itself, which the driver's page does. */
const OLDEST = 140;

const ADVICE =
  'as root run "apt-get install --no-install-recommends chromium", or set TALLYSTICK_CHROMIUM to a Chromium that is there';

/** Finds Chromium, or installs Debian's where that is possible, and says its version and place. */
export function chromium() {
  const { TALLYSTICK_CHROMIUM } = process.env;
  const place = TALLYSTICK_CHROMIUM || "/usr/bin/chromium";
  if (!existsSync(place)) {
    if (TALLYSTICK_CHROMIUM) throw new Error(`there is no ${place}, which TALLYSTICK_CHROMIUM names`);
    apt();
  }
  const said = version(place);
  if (said === undefined) throw new Error(`${place} does not run: try "${place} --version"`);
  const major = Number(said.match(/(\d+)\.\d+/)?.[1]);
  if (!(major >= OLDEST)) throw new Error(`${place} is ${said}: version ${OLDEST} or later is needed`);
  return { version: said, place };
}

function apt() {
  if (!runs("apt-get", ["--version"])) throw new Error(`there is no Chromium and no apt-get: ${ADVICE}`);
  const root = process.getuid?.() === 0;
  if (!root && !runs("sudo", ["-n", "true"])) throw new Error(`only root may install Chromium: ${ADVICE}`);
  console.error("installing Debian's chromium …");
  /** @param {string[]} words */
  const get = (...words) => {
    const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes", ...words];
    const [program = "", ...values] = root ? command : ["sudo", "-n", ...command];
    return spawnSync(program, values, { stdio: ["ignore", 2, 2] }).status === 0;
  };
  const wanted = ["install", "--no-install-recommends", "chromium"];
  // A fresh container has no lists of packages, an old one has stale ones.
  if (!get(...wanted) && !(get("update") && get(...wanted))) {
    throw new Error(`apt-get could not install chromium; what it said is above. ${ADVICE}`);
  }
}

/** @type {(program: string, words: string[]) => boolean} */
const runs = (program, words) => spawnSync(program, words, { stdio: "ignore" }).status === 0;
