// Compiles the tests and runs them with Node's own runner: `npm test`, or `npm test -- client agent` for some of them.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(here, "test", "dist");

function node(...args) {
  const library = process.env.TALLYSTICK_LIBRARY ?? join(here, "..", "..", "build", "cshared", "libtallystick.so");
  const env = { ...process.env, TALLYSTICK_LIBRARY: library };
  const { status } = spawnSync(process.execPath, args, { cwd: here, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(here, "dist", "index.js"))) node(join(here, "scripts", "build.mjs"));
rmSync(out, { recursive: true, force: true });
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
node(join(typescript, "bin", "tsc"), "-p", join(here, "test", "tsconfig.json"));

const wanted = process.argv.slice(2);
const files = readdirSync(out)
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.startsWith(part)));
if (files.length === 0) throw new Error(`no test file starts with ${wanted.join(" or ")}`);
node("--test", "--test-reporter=spec", ...files.map((name) => join(out, name)));
