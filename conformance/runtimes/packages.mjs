// The runtimes that npm packages carry: installed as package-lock.json pins them, and linked into one folder.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

/** How long a runtime may take to tell its version, in milliseconds: the first start reads some 100 MB from the disk. */
const ANSWERS_WITHIN = 60_000;

/**
 * Package -> what it brings. These are the packages of one platform each, of which npm takes the one that fits, without
 * the packages "bun", "deno" and "workerd" around them: their wrappers start the program as a child, which outlives them.
 */
const CONTENTS = /** @satisfies {Record<string, Record<string, string>>} */ ({
  bun: { "@oven/bun-linux-x64": "bin/bun", "@oven/bun-linux-aarch64": "bin/bun" },
  deno: { "@deno/linux-x64-glibc": "deno" },
  workerd: { "@cloudflare/workerd-linux-64": "bin/workerd", "@cloudflare/workerd-linux-arm64": "bin/workerd" },
  "playwright-core": { "playwright-core": "package.json" },
});

/**
 * @typedef {keyof typeof CONTENTS} Packed
 * @typedef {{ version: string | undefined, place: string }} Found
 */

/** @param {[string, ...string[]]} path */
const read = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));

/**
 * The files of what was asked for that are there.
 * @param {Packed} name
 * @param {string} into
 */
function found(name, into) {
  const files = Object.entries(CONTENTS[name]).map(([pack, file]) => join(into, "node_modules", pack, file));
  return files.filter((file) => existsSync(file));
}

/**
 * Installs these, and keeps those that were installed before. Quick when they are all there.
 * @param {Packed[]} names
 * @param {string} into
 */
export function install(names, into) {
  const all = /** @type {Packed[]} */ (Object.keys(CONTENTS));
  const kept = all.filter((name) => names.includes(name) || found(name, into).length > 0);
  const files = pinned(kept.flatMap((name) => Object.keys(CONTENTS[name])));
  /** @param {[string, string]} file */
  const same = ([name, text]) => existsSync(join(into, name)) && readFileSync(join(into, name), "utf8") === text;
  const complete = kept.every((name) => found(name, into).length > 0);
  // npm writes its own list last.
  if (complete && Object.entries(files).every(same) && existsSync(join(into, "node_modules/.package-lock.json")))
    return;
  rmSync(join(into, "node_modules"), { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(into, name), text);
  console.error(`downloading ${kept.join(", ")} …`);
  ci(into);
}

/**
 * What npm reads, with these packages of ours alone.
 * @param {string[]} packs
 */
function pinned(packs) {
  /** @param {Record<string, string>} all */
  const some = (all) => Object.fromEntries(Object.entries(all).filter(([name]) => packs.includes(name)));
  /** @param {Record<string, Record<string, string>>} root */
  const only = (root) => ({
    ...root,
    dependencies: some(root.dependencies ?? {}),
    optionalDependencies: some(root.optionalDependencies ?? {}),
  });
  const lock = read(HERE, "package-lock.json");
  lock.packages[""] = only(lock.packages[""]);
  return {
    "package.json": JSON.stringify(only(read(HERE, "package.json"))),
    "package-lock.json": JSON.stringify(lock),
    ".npmrc": readFileSync(join(HERE, ".npmrc"), "utf8"),
  };
}

/** @param {string} cwd */
function ci(cwd) {
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", ["ci", ...flags], { cwd, stdio: ["ignore", 2, 2] });
  if (error) throw new Error(`npm cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`"npm ci" in ${cwd} ended with status ${status}`);
}

/**
 * Links the program of this platform as bin/NAME and says its version and place.
 * @param {Packed} name
 * @param {string} into
 * @returns {Found}
 */
export function link(name, into) {
  const [program] = found(name, into);
  if (program === undefined) {
    const packs = Object.keys(CONTENTS[name]).join(" or ");
    throw new Error(
      `npm brought no ${packs}: it could not be downloaded, or is not for ${process.platform} ${process.arch}`,
    );
  }
  const said = version(program);
  if (said === undefined) throw new Error(`${program} does not run here: try "${program} --version"`);
  const place = join(into, "bin", name);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { force: true });
  symlinkSync(relative(dirname(place), program), place);
  return { version: said, place };
}

/**
 * The version and place of a package that carries no program.
 * @param {Packed} name
 * @param {string} into
 * @returns {Found}
 */
export function library(name, into) {
  const place = join(into, "node_modules", name);
  return { version: read(place, "package.json").version, place };
}

/**
 * The first line of what a program says for --version, or undefined when it does not run.
 * @param {string} program
 */
export function version(program) {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8", timeout: ANSWERS_WITHIN });
  return status === 0 ? stdout.trim().split("\n")[0] : undefined;
}
