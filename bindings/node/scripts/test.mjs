// Compiles the tests and runs them with Node's own runner, file by file, --jobs at a time: `npm
// test` all but those in *.slow.test.ts, `npm test -- --slow` these, `npm test -- --quick` all but
// these and those in *.medium.test.ts, `npm test -- client agent` some of any.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(here, "test", "dist");
const { values: options, positionals: wanted } = parseArgs({
  options: {
    quick: { type: "boolean" },
    slow: { type: "boolean" },
    reporter: { type: "string" },
    jobs: { type: "string" },
  },
  allowPositionals: true,
});

// Keeps the tests from the developer's own store.
const state = mkdtempSync(join(tmpdir(), "tallystick-state-"));
process.on("exit", () => rmSync(state, { recursive: true, force: true }));

function node(...args) {
  const library = process.env.TALLYSTICK_LIBRARY ?? join(here, "..", "..", "build", "cshared", "libtallystick.so");
  const env = { ...process.env, TALLYSTICK_LIBRARY: library, XDG_STATE_HOME: state };
  const { status } = spawnSync(process.execPath, args, { cwd: here, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

function isWanted(name) {
  if (wanted.length > 0) return wanted.some((part) => name.startsWith(part));
  if (options.quick && name.endsWith(".medium.test.js")) return false;
  return name.endsWith(".slow.test.js") === Boolean(options.slow);
}

if (!existsSync(join(here, "dist", "index.js"))) node(join(here, "scripts", "build.mjs"));
rmSync(out, { recursive: true, force: true });
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
node(join(typescript, "bin", "tsc"), "-p", join(here, "test", "tsconfig.json"));

const files = readdirSync(out).filter((name) => name.endsWith(".test.js") && isWanted(name));
if (files.length === 0) throw new Error(`no test file starts with ${wanted.join(" or ")}`);
// Files wait for servers and processes of theirs as much as they compute: one more than there are
// processors.
const jobs = options.jobs ?? String(availableParallelism() + 1);
const flags = ["--test", `--test-concurrency=${jobs}`, `--test-reporter=${options.reporter ?? "spec"}`];
node(...flags, ...files.map((name) => join(out, name)));
