// Runs when npm installs the package from its folder: `npm ci` here, or `npm install
// path/to/bindings/node` elsewhere, which only links the folder and brings no compiler. A folder
// that is built is left as it is; `npm run build` rebuilds.
import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (command) => execSync(command, { cwd: here, stdio: "inherit" });

if (!existsSync(join(here, "dist", "index.js")) || !existsSync(join(here, "dist", "tallystick.wasm"))) {
  if (!existsSync(join(here, "node_modules", "typescript"))) run("npm ci --ignore-scripts");
  run("node scripts/build.mjs");
}
