// Builds dist/: one compiled copy of the sources (CommonJS, which every Node can load), an ESM
// entry over it, and the core. One copy, because two would have two sets of error classes and two
// cores with two replay memories. Only what is below "tallystick/core" is compiled to ESM too, for
// runtimes without Node's API; it has no state and no error classes that anyone could compare.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(here, "..", "..");
const dist = join(here, "dist");

function run(command, args, options) {
  execFileSync(command, args, { stdio: "inherit", ...options });
}

function compile() {
  for (const name of ["cjs", "esm"]) rmSync(join(dist, name), { recursive: true, force: true });
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  for (const project of ["tsconfig.json", "tsconfig.portable.json"]) {
    run(process.execPath, [join(typescript, "bin", "tsc"), "-p", join(here, project)]);
  }
  writeFileSync(join(dist, "cjs", "package.json"), '{ "type": "commonjs" }\n');
  for (const [name, compiled] of Object.entries({ index: "index", mcp: "hosts/mcp", testing: "testing/index" })) {
    for (const end of ["js", "d.ts"]) {
      writeFileSync(join(dist, `${name}.${end}`), `export * from "./cjs/${compiled}.js";\n`);
    }
  }
}

function core() {
  const wasm = join(root, "build", "wasm", "tallystick.wasm");
  if (!existsSync(wasm)) {
    mkdirSync(dirname(wasm), { recursive: true });
    const args = [
      "build",
      "-buildmode=c-shared",
      "-trimpath",
      "-buildvcs=false",
      "-ldflags=-s -w",
      ...readFileSync(join(root, "wasm", "gcflags"), "utf8")
        .trim()
        .split("\n"),
      "-o",
      wasm,
      "./wasm",
    ];
    try {
      run("go", args, { cwd: root, env: { ...process.env, GOOS: "wasip1", GOARCH: "wasm" } });
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      console.error("tallystick: 'go' is not on PATH, but the core needs it: install Go, or install a packed tarball");
      process.exit(1);
    }
  }
  mkdirSync(dist, { recursive: true });
  copyFileSync(wasm, join(dist, "tallystick.wasm"));
}

core();
compile();
